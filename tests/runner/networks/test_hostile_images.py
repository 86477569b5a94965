"""Folders of images that are not what they seem: nothing is counted twice, waited for, or decoded beyond all bounds."""

import os
import resource
import struct
import time
import zlib

import numpy
import pytest

from runner.errors import DataError
from runner.networks import datasets, onnx_input
from runner.networks.preprocessing import Preprocessing

PIL = pytest.importorskip("PIL.Image")
PREPARE = Preprocessing(224, 256)


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content) & 0xFFFFFFFF)


def headed(width, height, depth=8, colours=2, extra=b""):
    """A PNG that claims a size, with next to nothing in it."""
    header = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(bytes(9000))) + chunk(b"IEND", b"")


def png(width, height):
    """A grey PNG of any size in some hundred bytes to kilobytes."""

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


BLOWN_UP = zlib.compress(bytes(200 << 20), 9)
BROKEN = {
    "claims.png": headed(60000, 60000), "claims_most.png": headed(2**31 - 1, 2**31 - 1, 16, 6), "wide.png": headed(2**30, 1), "nothing.png": headed(0, 0),
    "profile.png": headed(8, 8, extra=chunk(b"iCCP", b"x\0\0" + BLOWN_UP)), "words.png": headed(8, 8, extra=5 * chunk(b"zTXt", b"x\0\0" + BLOWN_UP)),
    "claims.ppm": b"P6 99999 99999 255\n" + bytes(100), "comment.ppm": b"P6 " + b"#" * 10**6, "empty.jpg": b"", "words.jpg": b"no image",
    "claims.bmp": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 50000, -50000, 1, 24, 0, 0, 0, 0, 0, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_what_is_no_image_or_claims_more_than_it_holds_is_unreadable_and_takes_no_memory(data, name):
    (data / "cat" / name).write_bytes(BROKEN[name])
    found = datasets.open_data(str(data))
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    assert found.image(found.files.index("cat/" + name), PREPARE) is None
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10 and time.process_time() - started < 5


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.95])
def test_a_photograph_that_was_cut_is_unreadable(data, kept):
    pixels = numpy.random.RandomState(0).randint(0, 256, (60, 80, 3), dtype=numpy.uint8)
    PIL.fromarray(pixels).save(str(data / "cat" / "cut.jpg"), quality=95)
    content = (data / "cat" / "cut.jpg").read_bytes()
    (data / "cat" / "cut.jpg").write_bytes(content[: int(kept * len(content))])
    found = datasets.open_data(str(data))
    assert found.image(found.files.index("cat/cut.jpg"), PREPARE) is None


def ramp():
    return numpy.tile(numpy.arange(224, dtype=numpy.uint8), (224, 1))


def saved(folder, name):
    """A picture of greys from 0 to 223 in a form, saved."""
    grey, path = PIL.fromarray(ramp()), str(folder / name)
    if name.startswith("sixteen"):
        PIL.fromarray(ramp().astype(numpy.uint16) * 256 + 7).save(path)
    elif name == "cmyk.tiff":
        grey.convert("RGB").convert("CMYK").save(path)
    elif name == "palette.png":
        grey.convert("RGB").quantize(256).save(path, transparency=0)
    elif name == "alpha.png":
        grey.convert("RGBA").save(path)
    elif name in ("moving.png", "moving.webp", "pages.tiff"):
        options = {"lossless": True, "duration": 10} if name.endswith("webp") else {}
        grey.convert("RGB").save(path, save_all=True, append_images=[PIL.new("RGB", (224, 224))] * 2, **options)
    else:
        grey.save(path)


@pytest.mark.parametrize(
    "name",
    [
        "grey.png",
        "sixteen.png",
        "sixteen.tiff",
        "sixteen.pgm",
        "cmyk.tiff",
        "palette.png",
        "alpha.png",
        "moving.png",
        "moving.webp",
        "pages.tiff",
    ],
)
def test_a_picture_is_the_same_in_every_form_that_a_file_may_have(data, name):
    try:
        saved(data / "cat", name)
    except (KeyError, OSError, ValueError):  # an older Pillow writes no 16-bit PGM
        saved(data / "cat", "sixteen.png")
        name = "sixteen.png"
    found = datasets.open_data(str(data))
    prepare = Preprocessing(224, 224, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    image = found.image(found.files.index("cat/" + name), prepare)
    assert abs(255 * image - ramp()).max() <= (3 if name == "palette.png" else 0.01)


@pytest.mark.parametrize("kind", ["float32", "int32"])
def test_an_image_whose_white_is_not_known_is_unreadable(data, kind):
    PIL.fromarray(ramp().astype(kind)).save(str(data / "cat" / "odd.tiff"))
    found = datasets.open_data(str(data))
    assert found.image(found.files.index("cat/odd.tiff"), PREPARE) is None


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
