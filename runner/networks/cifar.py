"""CIFAR-10 and CIFAR-100 in their own files, binary or Python pickles; a pickle is read without running anything of it."""

import io
import os
import pickle
from typing import Any, Optional, Tuple

import numpy

from runner.errors import DataError

SIDE = 32  # of the images
PIXELS = 3 * SIDE * SIDE
MAX_BYTES = 1 << 29  # of a file; the original ones have 30 MB
# file of the test images -> classes, below the folder given or one of the archives' own
FILES = {"test_batch.bin": 10, "test_batch": 10, "test.bin": 100, "test": 100}
FOLDERS = ("", "cifar-10-batches-bin", "cifar-10-batches-py", "cifar-100-binary", "cifar-100-python")


def find(path: str) -> Optional[Tuple[str, int]]:
    """(path, classes) of the file with the test images, or None."""
    if os.path.isfile(path):
        for name, count in FILES.items():
            if os.path.basename(path) == name:
                return path, count
        return None
    for folder in FOLDERS:
        for name, count in FILES.items():
            file = os.path.join(path, folder, name)
            if os.path.isfile(file):
                return file, count
    return None


def read(path: str, count: int) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """(labels, pixels) of the test images in a file of ``count`` classes: (images,), and uint8 (images, 3072), one colour plane after the other.

    Raises DataError.
    """
    try:
        if os.path.getsize(path) > MAX_BYTES:
            raise DataError("%s: larger than 512 MiB; CIFAR's test images are 30 MB" % path)
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise DataError("%s: %s" % (path, error.strerror))
    binary = path.endswith(".bin") or content[:1] <= bytes([count])  # a pickle begins otherwise
    labels, pixels = (_binary if binary else _pickled)(content, count, path)
    if not len(labels):
        raise DataError("%s: no images in it" % path)
    if int(labels.max()) >= count:
        raise DataError("%s: a label is %d, beyond the %d classes" % (path, labels.max(), count))
    return labels, pixels


def _binary(content: bytes, count: int, path: str) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Records of one label byte (CIFAR-100: coarse, then fine) and 3072 pixels, one colour plane after the other."""
    labels = 1 if count == 10 else 2
    if len(content) % (labels + PIXELS):
        raise DataError(
            "%s: %d bytes is not a whole number of %d-byte images; was the file cut short?" % (path, len(content), labels + PIXELS)
        )
    table = numpy.frombuffer(content, numpy.uint8).reshape(-1, labels + PIXELS)
    return table[:, labels - 1], table[:, labels:]


def _pickled(content: bytes, count: int, path: str) -> Tuple[numpy.ndarray, numpy.ndarray]:
    try:
        tree = _Inert(io.BytesIO(content), encoding="bytes").load()
        tree = {key.decode() if isinstance(key, bytes) else key: value for key, value in tree.items()}
        labels = numpy.array(tree["labels" if count == 10 else "fine_labels"], numpy.int64)
        pixels = tree["data"].array()
        if labels.ndim != 1 or pixels.shape != (len(labels), PIXELS) or (labels < 0).any():
            raise ValueError("labels %s and pixels %s don't fit" % (labels.shape, pixels.shape))
    except Exception as error:  # whatever a hostile or broken pickle raises
        raise DataError("%s: not a CIFAR pickle: %s" % (path, (" ".join(str(error).split()) or type(error).__name__)[:200]))
    return labels, pixels


class _Array:
    """Stands for numpy's array while its pickle is read: it keeps what it is given and computes nothing."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def array(self) -> numpy.ndarray:
        shape, kind, fortran, content = self.state[-4:]
        content = content.encode("latin1") if isinstance(content, str) else content
        if not isinstance(kind, _Type) or kind.name not in ("u1", "|u1") or type(content) is not bytes:
            raise ValueError("its pixels are not an array of bytes")
        return numpy.frombuffer(content, numpy.uint8).reshape(shape, order="F" if fortran else "C")


class _Type:
    def __init__(self, name: Any, *_: Any) -> None:
        self.name = name.decode() if isinstance(name, bytes) else name

    def __setstate__(self, state: Any) -> None:
        pass


class _Inert(pickle.Unpickler):
    """Reads lists, dicts, numbers, texts and arrays of bytes; every other name in a pickle is refused, so that it can run no code."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return lambda *_: _Array()
        if module == "numpy" and name in ("ndarray", "dtype"):
            return {"ndarray": _Array, "dtype": _Type}[name]
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes in protocol 2
            return lambda text, _: text.encode("latin1")
        raise pickle.UnpicklingError("it asks for %s.%s, which no CIFAR file does" % (module, name))
