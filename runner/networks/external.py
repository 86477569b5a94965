"""Which files lie beside an ONNX file and hold weights of it: a file of more than 2 GB has them outside."""

import mmap
import os
from typing import Iterator, List

from runner.networks.graph import GRAPH_INITIALIZER, MODEL_GRAPH, fields

TENSOR_EXTERNAL, ENTRY_KEY, ENTRY_VALUE = 13, 1, 2
LONGEST_NAME = 4096


def files(path: str) -> List[str]:
    """Sorted names of the files that an ONNX file's weights lie in, relative to its folder; none where they lie in itself, or it is no ONNX file."""
    if not os.path.isfile(path):  # a pipe would be waited for
        return []
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return sorted(set(_locations(data)))
    except (OSError, ValueError, IndexError, KeyError):  # whatever broken bytes are to a reader of the wire format
        return []


def _locations(data: mmap.mmap) -> Iterator[str]:
    for number, _, body, end in fields(data, 0, len(data)):
        if number == MODEL_GRAPH:
            for kind, _, first, last in fields(data, body, end):
                if kind == GRAPH_INITIALIZER:
                    yield from _of_tensor(data, first, last)


def _of_tensor(data: mmap.mmap, start: int, stop: int) -> Iterator[str]:
    for number, _, body, end in fields(data, start, stop):
        if number == TENSOR_EXTERNAL and end - body < LONGEST_NAME:
            entry = {kind: data[first:last] for kind, _, first, last in fields(data, body, end)}
            if entry.get(ENTRY_KEY) == b"location":
                yield os.fsdecode(entry.get(ENTRY_VALUE, b""))
