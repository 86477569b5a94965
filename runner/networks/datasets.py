"""Labelled images to count a network's hits on: folders of classes (ImageNet's layout), CIFAR-10 and CIFAR-100 in their own files.

The images come in an order that no class follows, the same on every machine, so that the first N of them are a fair sample.
"""

import hashlib
import os
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import List, Optional, Tuple

import numpy

from runner.errors import DataError
from runner.networks import cifar
from runner.networks.preprocessing import Preprocessing

FORMATS = ("auto", "folder", "cifar10", "cifar100")
EXTENSIONS = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
MAX_PIXELS = 1 << 26  # of an image as it is decoded (8192 x 8192), and as it is resized: 200 MB in colour


@dataclass(frozen=True)
class DataSet:
    """``labels`` (uint16) index ``classes``; ``id`` identifies the data set: a hash of what is in it."""

    path: str
    format: str
    id: str
    classes: Tuple[str, ...]
    labels: numpy.ndarray
    files: Tuple[str, ...] = ()  # relative to path
    pixels: Optional[numpy.ndarray] = field(default=None, repr=False)  # uint8 (images, height, width, 3), where they are all in memory

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def name(self) -> str:
        """What records call it: cifar-10, cifar-100, or the folder's name (val and test with their parent's)."""
        if self.cifar:
            return "cifar-%d" % self.cifar
        parent, name = os.path.split(os.path.normpath(os.path.abspath(self.path)))
        return "%s/%s" % (os.path.basename(parent), name) if name in ("val", "test") else name

    @property
    def cifar(self) -> Optional[int]:
        """The number of classes where it is CIFAR's, 10 or 100; None for folders."""
        return {"cifar10": 10, "cifar100": 100}.get(self.format)

    def describe(self, index: int) -> str:
        """What messages call an image: its file, or its number."""
        return self.files[index] if self.files else "image %d" % index

    def needs_pillow(self, prepare: Preprocessing) -> bool:
        """Whether its images take Pillow: files do, and CIFAR's where they are resized."""
        return self.pixels is None or prepare.needs_pillow((cifar.SIDE, cifar.SIDE))

    def image(self, index: int, prepare: Preprocessing) -> Optional[numpy.ndarray]:
        """The prepared image, float32 (3, px, px), or None if it can't be read. ``prepare`` is a runner.networks.preprocessing.Preprocessing."""
        if self.pixels is not None and not prepare.needs_pillow((cifar.SIDE, cifar.SIDE)):
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


def open_data(path: str, kind: str = "auto", classes: Optional[str] = None) -> DataSet:
    """The DataSet at a path; raises DataError. ``classes`` is a file with one folder's name a line, in the network's order."""
    if not os.path.exists(path):
        raise DataError("%s: no such file or folder; give a folder of class folders, or CIFAR's" % path)
    found = None if kind == "folder" else cifar.find(path)
    if kind.startswith("cifar") and os.path.isfile(path):  # whatever its name
        found = path, int(kind[len("cifar") :])
    if found and (kind == "auto" or kind == "cifar%d" % found[1]):
        return _cifar(*found)
    if kind not in ("auto", "folder"):
        names = ", ".join(name for name, count in sorted(cifar.FILES.items()) if kind == "cifar%d" % count)
        raise DataError("%s: no %s here; one of %s is needed, binary or Python version" % (path, kind, names))
    return _folder(path, classes)


def without_pillow() -> Optional[str]:
    """None if Pillow is here, else what to say."""
    if find_spec("PIL"):
        return None
    return "reading images needs the Python package Pillow, which is not installed here (CIFAR's own files at 32 px do without)"


def _folder(path: str, classes: Optional[str]) -> DataSet:
    if not os.path.isdir(path):
        raise DataError("%s: neither a folder nor a CIFAR file; give a folder of class folders" % path)
    root, folders = path, _folders(path)
    if "val" in folders and set(folders) <= {"train", "val", "test"}:  # ImageNet's own layout
        root = os.path.join(path, "val")
        folders = _folders(root)
    if not folders:
        loose = sum(name.lower().endswith(EXTENSIONS) for name in os.listdir(root))
        raise DataError("%s: %s; one folder per class is needed" % (root, "%d images but no class folders" % loose if loose else "empty"))
    names = folders if classes is None else _class_names(classes, root, folders)
    place = {name: index for index, name in enumerate(names)}
    seen = {_device_and_inode(root): root}
    for folder in folders:
        full = os.path.join(root, folder)
        other = seen.setdefault(_device_and_inode(full), full)
        if other != full:
            raise DataError("%s: is the same folder as %s; each class needs its own" % (full, other))
    found = []
    for folder in folders:
        for base, below, files in os.walk(os.path.join(root, folder), followlinks=True):
            # a link may lead back to where it lies in, or to another class: what has been seen is not counted again
            paths = {name: os.path.join(base, name) for name in sorted(below)}
            below[:] = [name for name, path in paths.items() if seen.setdefault(_device_and_inode(path), path) == path]
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


def _device_and_inode(path: str) -> Tuple[int, int]:
    """What identifies a folder, whatever path leads to it."""
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _folders(path: str) -> List[str]:
    return sorted(name for name in os.listdir(path) if not name.startswith(".") and os.path.isdir(os.path.join(path, name)))


def _class_names(path: str, root: str, folders: List[str]) -> List[str]:
    try:
        with open(path, encoding="utf-8") as file:
            names = [line.split()[0] for line in file if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("%s: can't read the list of classes: %s" % (path, getattr(error, "strerror", None) or "it is not UTF-8 text"))
    unknown = sorted(set(folders) - set(names))
    if unknown or len(set(names)) != len(names):
        raise DataError(
            "%s: %s" % (path, "%s of %s is not in this list of classes" % (unknown[0], root) if unknown else "a class appears twice")
        )
    return names


def _cifar(path: str, count: int) -> DataSet:
    labels, pixels = cifar.read(path, count)
    digest = hashlib.sha256(labels.astype("<u2").tobytes() + pixels.tobytes()).hexdigest()[:16]
    pixels = numpy.ascontiguousarray(pixels.reshape(-1, 3, cifar.SIDE, cifar.SIDE).transpose(0, 2, 3, 1))
    return DataSet(path, "cifar%d" % count, digest, tuple(map(str, range(count))), labels.astype(numpy.uint16), pixels=pixels)
