"""Labelled images to count a network's hits on: folders of classes (ImageNet's layout), CIFAR-10 and CIFAR-100 in their own files.

The images come in an order that no class follows, the same on every machine, so that the first N of them are a fair sample.
Python's pickles of CIFAR are read without running anything of theirs.
"""

import hashlib
import io
import os
import pickle
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Optional, Tuple

import numpy

from runner.errors import DataError

FORMATS = ("auto", "folder", "cifar10", "cifar100")
EXTENSIONS = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
SIDE = 32  # of CIFAR's images
PIXELS = 3 * SIDE * SIDE
MAX_BYTES = 1 << 29  # of a CIFAR file; the original ones have 30 MB
MAX_PIXELS = 1 << 26  # of an image as it is decoded (8192 x 8192), and as it is resized: 200 MB in colour
# file of the test images -> classes, below the folder given or one of the archives' own
CIFAR_FILES = {"test_batch.bin": 10, "test_batch": 10, "test.bin": 100, "test": 100}
CIFAR_FOLDERS = ("", "cifar-10-batches-bin", "cifar-10-batches-py", "cifar-100-binary", "cifar-100-python")


@dataclass(frozen=True)
class DataSet:
    """``labels`` (uint16) index ``classes``; ``id`` tells data sets apart: a hash of what is in it."""

    path: str
    format: str
    id: str
    classes: Tuple[str, ...]
    labels: numpy.ndarray
    files: Tuple[str, ...] = ()  # relative to path
    pixels: Optional[numpy.ndarray] = field(default=None, repr=False)  # uint8 (images, height, width, 3), where they are all in memory

    def __len__(self):
        return len(self.labels)

    @property
    def name(self):
        if self.cifar:
            return "cifar-%d" % self.cifar
        parent, name = os.path.split(os.path.normpath(os.path.abspath(self.path)))
        return "%s/%s" % (os.path.basename(parent), name) if name in ("val", "test") else name

    @property
    def cifar(self):
        return {"cifar10": 10, "cifar100": 100}.get(self.format)

    def describe(self, index):
        return self.files[index] if self.files else "image %d" % index

    def needs_pillow(self, prepare):
        return self.pixels is None or prepare.needs_pillow((SIDE, SIDE))

    def image(self, index, prepare):
        """The prepared image, float32 (3, px, px), or None if it can't be read. ``prepare`` is a runner.networks.preprocessing.Preprocessing."""
        if self.pixels is not None and not prepare.needs_pillow((SIDE, SIDE)):
            return prepare(self.pixels[index])
        from PIL import Image

        if self.pixels is not None:
            return prepare(Image.fromarray(self.pixels[index]))
        path = os.path.join(self.path, self.files[index])
        try:
            if not os.path.isfile(path):  # a pipe would be waited for
                return None
            with Image.open(path) as image:  # which reads the size alone: a file of 100 bytes may decode to gigabytes
                width, height = image.size
                if width * height > MAX_PIXELS or prepare.resized_pixels(image.size) > MAX_PIXELS:
                    return None
                return prepare(image)
        except Exception:  # a broken file may raise anything, by format and release
            return None


def open_data(path, kind="auto", classes=None):
    """The DataSet at a path; raises DataError. ``classes`` is a file with one folder's name a line, in the network's order."""
    if not os.path.exists(path):
        raise DataError("%s: no such file or folder; give a folder of class folders, or CIFAR's" % path)
    found = None if kind == "folder" else _cifar_file(path)
    if kind.startswith("cifar") and os.path.isfile(path):  # whatever its name
        found = path, int(kind[len("cifar") :])
    if found and (kind == "auto" or kind == "cifar%d" % found[1]):
        return _cifar(*found)
    if kind not in ("auto", "folder"):
        names = ", ".join(name for name, count in sorted(CIFAR_FILES.items()) if kind == "cifar%d" % count)
        raise DataError("%s: no %s here; one of %s is needed, binary or Python version" % (path, kind, names))
    return _folder(path, classes)


def without_pillow():
    """None if Pillow is here, else what to say."""
    if find_spec("PIL"):
        return None
    return "reading images needs the Python package Pillow, which is not installed here (CIFAR's own files at 32 px do without)"


def _folder(path, classes):
    if not os.path.isdir(path):
        raise DataError("%s: no folder, and no file of CIFAR's; give a folder of class folders" % path)
    root, folders = path, _folders(path)
    if "val" in folders and set(folders) <= {"train", "val", "test"}:  # ImageNet's own layout
        root = os.path.join(path, "val")
        folders = _folders(root)
    if not folders:
        loose = sum(name.lower().endswith(EXTENSIONS) for name in os.listdir(root))
        raise DataError("%s: %s; one folder per class is needed" % (root, "%d images but no class folders" % loose if loose else "empty"))
    names = folders if classes is None else _class_names(classes, root, folders)
    place = {name: index for index, name in enumerate(names)}
    seen = {_identity(root): root}
    for folder in folders:
        full = os.path.join(root, folder)
        other = seen.setdefault(_identity(full), full)
        if other != full:
            raise DataError("%s: is the same folder as %s; each class needs its own" % (full, other))
    found = []
    for folder in folders:
        for base, below, files in os.walk(os.path.join(root, folder), followlinks=True):
            # a link may lead back to where it lies in, or to another class: what has been seen is not counted again
            below[:] = [
                name for name in sorted(below) if seen.setdefault(_identity(os.path.join(base, name)), (base, name)) == (base, name)
            ]
            for name in files:
                if name.lower().endswith(EXTENSIONS):
                    full = os.path.join(base, name)
                    relative = os.path.relpath(full, root).replace(os.sep, "/").encode("utf-8", "surrogateescape")
                    size = os.path.getsize(full) if os.path.isfile(full) else 0  # a dangling link or a pipe can't be read
                    found.append((hashlib.sha256(relative).digest(), relative, size, place[folder]))
    if not found:
        raise DataError("%s: no images in its %d folders (%s)" % (root, len(folders), " ".join(EXTENSIONS)))
    found.sort()  # by the hash of the name: no class comes first, and every machine agrees
    lines = [b"%s\0%d\n" % (relative, size) for _, relative, size, _ in sorted(found, key=lambda item: item[1])]
    digest = hashlib.sha256(b"".join(lines) + "\n".join(names).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    labels = numpy.array([label for _, _, _, label in found], numpy.uint16)
    return DataSet(
        root, "folder", digest, tuple(names), labels, tuple(relative.decode("utf-8", "surrogateescape") for _, relative, _, _ in found)
    )


def _identity(path):
    """What tells a folder from all others, however it is reached."""
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _folders(path):
    return sorted(name for name in os.listdir(path) if not name.startswith(".") and os.path.isdir(os.path.join(path, name)))


def _class_names(path, root, folders):
    try:
        with open(path, encoding="utf-8") as file:
            names = [line.split()[0] for line in file if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("%s: can't read the list of classes: %s" % (path, getattr(error, "strerror", None) or "no UTF-8 text"))
    unknown = sorted(set(folders) - set(names))
    if unknown or len(set(names)) != len(names):
        raise DataError(
            "%s: %s" % (path, "%s of %s is not in this list of classes" % (unknown[0], root) if unknown else "a class appears twice")
        )
    return names


def _cifar_file(path):
    """(path, classes) of the file with the test images, or None."""
    if os.path.isfile(path):
        for name, count in CIFAR_FILES.items():
            if os.path.basename(path) == name:
                return path, count
        return None
    for folder in CIFAR_FOLDERS:
        for name, count in CIFAR_FILES.items():
            file = os.path.join(path, folder, name)
            if os.path.isfile(file):
                return file, count
    return None


def _cifar(path, count):
    try:
        if os.path.getsize(path) > MAX_BYTES:
            raise DataError("%s: larger than 512 MiB; CIFAR's test images are 30 MB" % path)
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise DataError("%s: %s" % (path, error.strerror))
    binary = path.endswith(".bin") or content[:1] <= bytes([count])  # a pickle begins otherwise
    labels, pixels = (_binary if binary else _pickled)(content, count, path)
    if not len(labels) or int(labels.max()) >= count:
        raise DataError(
            "%s: %s" % (path, "a label is %d, beyond the %d classes" % (labels.max(), count) if len(labels) else "no images in it")
        )
    digest = hashlib.sha256(labels.astype("<u2").tobytes() + pixels.tobytes()).hexdigest()[:16]
    pixels = numpy.ascontiguousarray(pixels.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1))
    return DataSet(path, "cifar%d" % count, digest, tuple(map(str, range(count))), labels.astype(numpy.uint16), pixels=pixels)


def _binary(content, count, path):
    """Records of one label byte (CIFAR-100: coarse, then fine) and 3072 pixels, one colour plane after the other."""
    labels = 1 if count == 10 else 2
    if len(content) % (labels + PIXELS):
        raise DataError("%s: %d bytes are no whole number of images of %d bytes; is it cut off?" % (path, len(content), labels + PIXELS))
    table = numpy.frombuffer(content, numpy.uint8).reshape(-1, labels + PIXELS)
    return table[:, labels - 1], table[:, labels:]


def _pickled(content, count, path):
    try:
        tree = _Inert(io.BytesIO(content), encoding="bytes").load()
        tree = {key.decode() if isinstance(key, bytes) else key: value for key, value in tree.items()}
        labels = numpy.array(tree["labels" if count == 10 else "fine_labels"], numpy.int64)
        pixels = tree["data"].array()
        if labels.ndim != 1 or pixels.shape != (len(labels), PIXELS) or (labels < 0).any():
            raise ValueError("labels %s and pixels %s don't fit" % (labels.shape, pixels.shape))
    except Exception as error:  # whatever a hostile or broken pickle raises
        raise DataError("%s: not CIFAR's pickle: %s" % (path, (" ".join(str(error).split()) or type(error).__name__)[:200]))
    return labels, pixels


class _Array:
    """Stands for numpy's array while its pickle is read: it keeps what it is given and computes nothing."""

    state: Any = None

    def __setstate__(self, state):
        self.state = state

    def array(self):
        shape, kind, fortran, content = self.state[-4:]
        content = content.encode("latin1") if isinstance(content, str) else content
        if not isinstance(kind, _Type) or kind.name not in ("u1", "|u1") or type(content) is not bytes:
            raise ValueError("its pixels are no array of bytes")
        return numpy.frombuffer(content, numpy.uint8).reshape(shape, order="F" if fortran else "C")


class _Type:
    def __init__(self, name, *_):
        self.name = name.decode() if isinstance(name, bytes) else name

    def __setstate__(self, state):
        pass


class _Inert(pickle.Unpickler):
    """Reads lists, dicts, numbers, texts and arrays of bytes; every other name in a pickle is refused, so that it can run no code."""

    def find_class(self, module, name):
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return lambda *_: _Array()
        if module == "numpy" and name in ("ndarray", "dtype"):
            return {"ndarray": _Array, "dtype": _Type}[name]
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes in protocol 2
            return lambda text, _: text.encode("latin1")
        raise pickle.UnpicklingError("it asks for %s.%s, which no CIFAR file does" % (module, name))
