"""Folders of images that are not what they seem: nothing is counted twice, waited for, or decoded beyond all bounds."""

import os
import struct
import zlib

import numpy
import pytest

from runner.errors import DataError
from runner.networks import datasets, onnx_input
from runner.networks.preprocessing import Preprocessing

PIL = pytest.importorskip("PIL.Image")
PREPARE = Preprocessing(224, 256)


def png(width, height):
    """A grey PNG of any size in some hundred bytes to kilobytes."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer, rows = zlib.compressobj(9), b""
    row = bytes(1 + (width + 7) // 8)
    for _ in range(height):
        rows += packer.compress(row)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows + packer.flush()) + chunk(b"IEND", b"")


@pytest.fixture
def data(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(3):
            PIL.new("RGB", (40, 30), (number, 0, 0)).save(str(tmp_path / "data" / name / ("%d.png" % number)))
    return tmp_path / "data"


@pytest.mark.parametrize(("width", "height"), [(1, 300000), (300000, 1), (20, 1000000), (9000, 9000)])
def test_an_image_of_a_few_bytes_that_would_fill_the_memory_is_unreadable(data, width, height, monkeypatch):
    (data / "cat" / "bomb.png").write_bytes(png(width, height))
    assert (data / "cat" / "bomb.png").stat().st_size < 30000
    monkeypatch.setattr(PIL.Image, "resize", lambda *_: pytest.fail("it was resized"))
    found = datasets.open_data(str(data))
    assert found.image(found.files.index("cat/bomb.png"), PREPARE) is None


def test_a_long_photograph_within_the_bounds_is_read(data):
    (data / "cat" / "long.png").write_bytes(png(300, 6000))
    found = datasets.open_data(str(data))
    assert found.image(found.files.index("cat/long.png"), PREPARE).shape == (3, 224, 224)


@pytest.mark.parametrize("target", ["..", ".", "../dog", "../../data/cat", "within"])
def test_a_link_that_leads_back_or_to_another_class_counts_no_image_twice(data, target):
    if target == "within":
        (data / "cat" / "a").mkdir()
        PIL.new("RGB", (9, 9)).save(str(data / "cat" / "a" / "9.png"))
        os.symlink("a", str(data / "cat" / "b"))
    else:
        os.symlink(target, str(data / "cat" / "loop"))
    found = datasets.open_data(str(data))
    assert len(found) == 6 + (target == "within")
    assert sorted(found.labels) == [0] * (3 + (target == "within")) + [1] * 3
    assert all(name.startswith(found.classes[label] + "/") for name, label in zip(found.files, found.labels))


def test_two_classes_that_are_one_folder_are_refused(data):
    os.symlink("dog", str(data / "wolf"))
    with pytest.raises(DataError, match="wolf: is the same folder as"):
        datasets.open_data(str(data))


def test_a_pipe_and_a_dangling_link_are_unreadable_images_that_nobody_waits_for(data):
    os.mkfifo(str(data / "cat" / "pipe.png"))
    os.symlink("nowhere", str(data / "dog" / "lost.png"))
    found = datasets.open_data(str(data))
    assert [name for name, index in zip(found.files, range(len(found))) if found.image(index, PREPARE) is None] == [
        name for name in found.files if name in ("cat/pipe.png", "dog/lost.png")
    ]
    assert len(found) == 8


@pytest.mark.parametrize(
    ("kind", "layout"), [("float32", "NCHW"), ("float16", "NHWC"), ("float64", "NCHW"), ("uint8", "NHWC"), ("uint8", "NCHW")]
)
def test_a_file_is_given_photographs_in_its_own_type_and_layout(kind, layout):
    pixels = numpy.random.RandomState(0).randint(0, 256, (224, 224, 3), dtype=numpy.uint8)
    prepare = Preprocessing(224, 224)
    given = onnx_input.prepared(prepare(pixels)[None], kind, layout, prepare.mean, prepare.std)
    assert given.dtype == kind and given.shape == ((1, 3, 224, 224) if layout == "NCHW" else (1, 224, 224, 3))
    if kind == "uint8":
        assert (given[0] == (pixels if layout == "NHWC" else pixels.transpose(2, 0, 1))).all()
