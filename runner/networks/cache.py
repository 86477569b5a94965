"""The cache of networks on the volume, kept below its limit."""

import os
import shutil
from typing import Optional


def used(folder: str) -> None:
    """Note that a network's files are used now, so that others go before them."""
    try:
        os.utime(folder)
    except OSError:  # a cache that may only be read is never pruned
        pass


def prune(cache: str, limit_bytes: float, keep: Optional[str] = None) -> int:
    """Remove the networks used longest ago until the cache is under its limit; returns the bytes freed."""
    root = os.path.join(cache, "networks")
    folders = []
    for name in os.listdir(root) if os.path.isdir(root) else []:
        folder = os.path.join(root, name)
        try:
            inside = [os.path.join(folder, file) for file in os.listdir(folder)] if os.path.isdir(folder) else []
            size = sum(os.path.getsize(file) for file in inside)
            folders.append((os.path.getmtime(folder), folder, size))
        except OSError:  # another run has just removed it
            continue
    total, freed = sum(size for _, _, size in folders), 0
    for _, folder, size in sorted(folders):
        if total - freed <= limit_bytes:
            break
        if folder != keep:
            shutil.rmtree(folder, ignore_errors=True)
            freed += size
    return freed
