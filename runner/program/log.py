"""The log: what the workers did, in a file beside the records; on standard error too with --verbose."""

import logging
import os
import time

FORMAT = "%(asctime)s %(name)s %(levelname)s %(message)s"


def start(record_path: str, verbose: bool) -> str:
    """Log to RECORDS.log beside the record file; returns its path. Where it can't be written, measuring goes on without."""
    path = os.path.splitext(record_path)[0] + ".log"
    root = logging.getLogger("runner")
    root.setLevel(logging.DEBUG)
    root.propagate = False
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        root.addHandler(logging.FileHandler(path, encoding="utf-8"))
    except OSError:
        root.addHandler(logging.NullHandler())
    if verbose:
        root.addHandler(logging.StreamHandler())
    formatter = logging.Formatter(FORMAT)
    formatter.converter = time.gmtime  # as all times in records
    for handler in root.handlers:
        handler.setFormatter(formatter)
    return path
