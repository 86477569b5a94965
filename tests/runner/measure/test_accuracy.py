"""Accuracy: the same known hits in every backend, from folders and CIFAR's files; killed runs go on; one-line errors."""

import json
import math
import os
import pickle
import signal
import struct
import time

import numpy
import pytest
import shapes
from support import ROOT, dyno, record_file, records, records_so_far, start
from support import matrix as write_matrix

from runner import backends
from runner.errors import DataError, MatrixError
from runner.measure import accuracy, top_k
from runner.networks import datasets, preprocessing, sources
from runner.networks.spec import ModelSpec
from runner.plan import matrix
from runner.records import accuracy_totals
from runner.records.cell import Cell

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FRAMEWORKS = [name for name in ("pytorch", "onnxruntime", "openvino") if backends.available(name) is None]
TINY = "model: [{name: 'shapes:network', label: tiny, weights: %s, num_classes: 10}], input_px: 32"

# Guesses from the brightness; takes its time, and ends itself when told to.
PACED = """
import os, signal, time
import numpy
from runner.backends import base

class Backend(base.Backend):
    package = "numpy"
    needs = None
    batches = 0

    def stage(self, batch):
        self.batch = batch

    def infer(self):
        time.sleep(float(os.environ.get("PACED_S", 0)))
        self.batches += 1
        if self.batches == int(os.environ.get("PACED_END", 0)):
            os.kill(os.getpid(), signal.SIGKILL)

    def outputs(self):
        return numpy.eye(10, dtype=numpy.float32)[(self.batch.mean(axis=(1, 2, 3)) * 1000).astype(int) % 10]

    def executed(self):
        return {"precision": "fp32", "threads": 1}
"""


def paced(folder, images=1300):
    """A CIFAR file, a matrix and the hits that the paced backend must count; more images than two parts hold."""
    pixels, labels = shapes.draw(100, 3)
    pixels, labels = numpy.tile(pixels, (images // 100, 1, 1, 1)), numpy.tile(labels, images // 100)
    shapes.as_cifar(folder / "test_batch.bin", pixels, labels)
    os.makedirs(str(folder / "backends"))
    (folder / "backends" / "paced.py").write_text(PACED)
    guesses = (shapes.prepared(pixels).mean(axis=(1, 2, 3)) * 1000).astype(int) % 10
    path = write_matrix(folder, "backend: paced, model: [{name: resnet18, num_classes: 10}], input_px: 32, batch_size: 4")
    return path, int((guesses == labels).sum())


def count(folder, path, *more, **env):
    env["DYNO_BACKENDS"] = str(folder / "backends")
    return dyno("accuracy", str(folder), "-m", path, "-r", str(folder), "--json", *more, env=env)


def parts(folder):
    return records(folder, "accuracy")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """(checkpoint, pixels, labels, Top-1 hits, Top-5 hits) of a trained network on pictures that it hasn't seen, counted here."""
    import torch

    folder = tmp_path_factory.mktemp("tiny")
    model = shapes.trained(str(folder / "tiny.pt"))
    pixels, labels = shapes.draw(200, 2)
    with torch.no_grad():
        order = (-model(torch.from_numpy(shapes.prepared(pixels))).numpy()).argsort(axis=1)
    return (
        str(folder / "tiny.pt"),
        pixels,
        labels,
        int((order[:, 0] == labels).sum()),
        int((order[:, :5] == labels[:, None]).any(axis=1).sum()),
    )


def test_a_trained_network_reaches_its_known_accuracy_in_every_framework(tiny, tmp_path):
    checkpoint, pixels, labels, top1, top5 = tiny
    assert 120 < top1 < 198, "neither a guess nor without a mistake, else this proves little"
    data = tmp_path / "val"
    shapes.as_folder(data, pixels, labels)
    (data / shapes.CLASSES[3] / "broken.png").write_bytes(b"\x89PNG no more than that")
    path = write_matrix(
        tmp_path,
        "backend: [%s], %s, batch_size: [1, 16]" % (", ".join(FRAMEWORKS), TINY % checkpoint),
        more="accuracy: {data: '%s'}\n" % data,
    )
    env = {"PYTHONPATH": os.pathsep.join((ROOT, HERE))}
    code, out, err = dyno("accuracy", "-m", path, "-r", str(tmp_path), "--json", env=env)
    assert code == 0, err
    rows = json.loads(out)
    assert sorted(row["backend"] for row in rows) == sorted(FRAMEWORKS) and len(FRAMEWORKS) >= 2
    for row in rows:
        assert abs(row["top1"]["hits"] - top1) <= 2 and abs(row["top5"]["hits"] - top5) <= 2, row
        assert (row["images"], row["unreadable"], row["batch_size"]) == (200, 1, 16)
        assert row["unreadable_first"] == shapes.CLASSES[3] + "/broken.png"
    before = open(record_file(tmp_path)).read()
    code, out, _ = dyno("accuracy", "-m", path, "-r", str(tmp_path), env=env)
    assert code == 0 and open(record_file(tmp_path)).read() == before, "what is there is not counted again"
    assert "200 images, 1 can't be read, the first is" in out and "Top-1 %.2f %% (" % (top1 / 2.0) in out
    # records of accuracy are nothing that `dyno run` or `dyno status` take for a measured cell
    code, out, _ = dyno("status", "-m", path, "-r", str(tmp_path), "--json", env=env)
    assert code == 0 and len(json.loads(out)["missing"]) == 2 * len(FRAMEWORKS) and not json.loads(out)["ok"]


def test_a_run_killed_in_the_middle_goes_on_with_the_next_part(tmp_path):
    path, expected = paced(tmp_path)
    slow = {"DYNO_BACKENDS": str(tmp_path / "backends"), "PACED_S": "0.01"}
    process = start("accuracy", str(tmp_path), "-m", path, "-r", str(tmp_path), env=slow)
    deadline = time.time() + 60
    while not records_so_far(tmp_path, "accuracy"):
        assert process.poll() is None and time.time() < deadline, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = parts(tmp_path)
    assert [(line["accuracy"]["first"], line["accuracy"]["last"]) for line in kept] == [(0, 500)]
    code, out, err = count(tmp_path, path)
    assert code == 0, err
    found = parts(tmp_path)
    assert found[0] == kept[0] and [line["accuracy"]["first"] for line in found] == [0, 500, 1000]
    assert sum(line["accuracy"]["top1"] for line in found) == expected == json.loads(out)[0]["top1"]["hits"]
    assert json.loads(out)[0]["images"] == 1300 and found[-1]["accuracy"]["images"] == 300


def test_a_crash_costs_one_part_and_is_a_row_that_is_tried_again_when_asked(tmp_path):
    path, expected = paced(tmp_path)
    code, out, err = count(tmp_path, path, PACED_END="150")
    assert code == 0, err
    row = json.loads(out)[0]
    assert (row["status"], row["images"]) == ("failed", 500) and "SIGKILL" in row["reason"]
    failed = parts(tmp_path)[-1]
    assert (failed["status"], failed["phase"], failed["signal"], failed["accuracy"]["images"]) == ("failed", "measure", "SIGKILL", 0)
    count(tmp_path, path)
    assert len(parts(tmp_path)) == 2, "a failed cell is left alone"
    row = json.loads(count(tmp_path, path, "--retry", "failed")[1])[0]
    assert (row["status"], row["images"], row["top1"]["hits"]) == ("ok", 1300, expected)


def test_more_images_can_be_added_to_a_limit(tmp_path):
    path, expected = paced(tmp_path)
    assert json.loads(count(tmp_path, path, "--limit", "250")[1])[0]["images"] == 250
    row = json.loads(count(tmp_path, path)[1])[0]
    assert (row["images"], row["top1"]["hits"]) == (1300, expected)
    assert [(line["accuracy"]["first"], line["accuracy"]["last"]) for line in parts(tmp_path)] == [
        (0, 250),
        (250, 750),
        (750, 1250),
        (1250, 1300),
    ]


def test_another_preprocessing_is_another_count(tmp_path):
    path, expected = paced(tmp_path)
    count(tmp_path, path, "--limit", "100")
    with open(path, "a") as file:
        file.write("accuracy: {data: x, mean: [0, 0, 0], std: [1, 1, 1], limit: 100}\n")
    count(tmp_path, path)
    assert [line["accuracy"]["preprocessing"]["mean"] for line in parts(tmp_path)] == [[0.4914, 0.4822, 0.4465], [0, 0, 0]]


def test_a_network_of_other_classes_is_left_out_and_none_that_fits_is_an_error(tmp_path):
    pixels, labels = shapes.draw(40, 1)
    shapes.as_folder(tmp_path / "data", pixels, labels)
    path = write_matrix(tmp_path, "backend: noop, model: [resnet18, vgg11], input_px: 32")
    code, _, err = dyno("accuracy", str(tmp_path / "data"), "-m", path, "-r", str(tmp_path))
    assert code == 2 and len(err.splitlines()) == 1 and "(and 1 more)" in err
    wanted = "fits the data: resnet18 has 1000 classes, %s has 10; set the network's num_classes, or give the data it was trained for" % (
        tmp_path / "data"
    )
    assert wanted in err
    assert not os.path.exists(str(tmp_path / "records"))


def test_a_network_that_answers_with_other_classes_than_it_says_is_skipped(tmp_path):
    pixels, labels = shapes.draw(20, 1)
    shapes.as_folder(tmp_path / "data", pixels, labels)
    path = write_matrix(tmp_path, "backend: noop, model: [{name: resnet18, num_classes: 10}], input_px: 32")
    code, out, _ = dyno("accuracy", str(tmp_path / "data"), "-m", path, "-r", str(tmp_path))
    assert code == 0 and "0 images, skipped: it answers with 3 classes" in out


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda folder: None, "no such file or folder; give a folder of class folders, or CIFAR's"),
        (lambda folder: folder.mkdir(), "empty; one folder per class is needed"),
        (lambda folder: (folder / "cat").mkdir(parents=True), "no images in its 1 folders (.bmp .jpeg"),
        (
            lambda folder: [folder.mkdir(), (folder / "1.JPEG").write_bytes(b"x")],
            "1 images but no class folders; one folder per class is needed",
        ),
        (
            lambda folder: [folder.mkdir(), (folder / "test_batch.bin").write_bytes(b"x" * 3072)],
            "3072 bytes is not a whole number of 3073-byte images",
        ),
        (lambda folder: [folder.mkdir(), (folder / "test_batch.bin").write_bytes(b"")], "no images in it"),
        (
            lambda folder: [folder.mkdir(), (folder / "test.bin").write_bytes(b"\x01\x64" + b"x" * 3072)],
            "a label is 100, beyond the 100 classes",
        ),
    ],
)
def test_data_that_is_none_is_one_line(tmp_path, make, says):
    make(tmp_path / "data")
    path = write_matrix(tmp_path, "backend: noop, model: resnet18")
    code, out, err = dyno("accuracy", str(tmp_path / "data"), "-m", path, "-r", str(tmp_path / "results"))
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith("dyno: %s" % (tmp_path / "data")) and says in err


def test_without_data_the_command_says_how_to_give_them(tmp_path):
    path = write_matrix(tmp_path, "backend: noop, model: resnet18")
    code, _, err = dyno("accuracy", "-m", path)
    assert (
        code == 2 and err == "dyno: no labelled images: give their folder, as in `dyno accuracy DATA`, or as accuracy.data in %s\n" % path
    )


def test_without_pillow_folders_are_refused_and_cifar_at_its_own_size_is_not(tmp_path, monkeypatch):
    pixels, labels = shapes.draw(20, 1)
    shapes.as_folder(tmp_path / "data", pixels, labels)
    shapes.as_cifar(tmp_path / "test_batch.bin", pixels, labels)
    monkeypatch.setattr(datasets, "find_spec", lambda name: None)
    specs = {"net": ModelSpec("resnet18", num_classes=10)}
    cell = lambda px: Cell("cpu", "cpu", "noop", "net", "fp32", 1, px, "latency")
    folder, cifar = datasets.open_data(str(tmp_path / "data")), datasets.open_data(str(tmp_path))
    assert accuracy.fitting([cell(32)], specs, cifar)[0] == [cell(32)]
    for data, px in ((folder, 32), (cifar, 224)):
        with pytest.raises(DataError) as caught:
            accuracy.fitting([cell(px)], specs, data)
        assert "Pillow, which is not installed here" in str(caught.value)


def test_classes_are_the_sorted_folders_and_imagenets_own_layout_is_found(tmp_path):
    pixels, labels = shapes.draw(40, 1)
    for part in ("train", "val"):
        shapes.as_folder(tmp_path / part, pixels[:30], labels[:30])
    data = datasets.open_data(str(tmp_path))
    assert data.classes == tuple(sorted(shapes.CLASSES)) and data.path == str(tmp_path / "val") and len(data) == 30
    for name, label in zip(data.files, data.labels):
        assert data.classes[label] == name.split("/")[0]
    assert data.id == datasets.open_data(str(tmp_path / "val")).id


def test_a_list_of_classes_gives_the_networks_order_and_lets_a_part_of_them_do(tmp_path):
    pixels, labels = shapes.draw(40, 1)
    few = labels < 4
    shapes.as_folder(tmp_path / "data", pixels[few], labels[few])
    (tmp_path / "classes.txt").write_text("\n".join(reversed(shapes.CLASSES)))
    data = datasets.open_data(str(tmp_path / "data"), classes=str(tmp_path / "classes.txt"))
    assert len(data.classes) == 10 and sorted(set(data.labels)) == [6, 7, 8, 9]
    (tmp_path / "classes.txt").write_text("\n".join(shapes.CLASSES[1:]))
    with pytest.raises(DataError) as caught:
        datasets.open_data(str(tmp_path / "data"), classes=str(tmp_path / "classes.txt"))
    assert "%s of %s is not in this list of classes" % (shapes.CLASSES[0], tmp_path / "data") in str(caught.value)


def test_the_first_images_are_of_many_classes_and_the_identity_follows_the_files(tmp_path):
    pixels, labels = shapes.draw(200, 1)
    shapes.as_folder(tmp_path / "data", pixels, labels)
    data = datasets.open_data(str(tmp_path / "data"))
    assert len(set(data.labels[:40])) >= 8, "a limit takes a sample, not the first class"
    first = os.path.join(data.path, data.files[0])
    with open(first, "ab") as file:
        file.write(b"x")
    grown = datasets.open_data(str(tmp_path / "data"))
    os.rename(first, first + ".png")
    renamed = datasets.open_data(str(tmp_path / "data"))
    assert len({data.id, grown.id, renamed.id}) == 3 and grown.files == data.files


def python2_pickle(pixels, labels):
    """CIFAR's Python version as Python 2 wrote it: protocol 2, byte strings, an array of numpy's."""
    shape = b"J%sM\x00\x0c\x86" % struct.pack("<i", len(pixels))
    kind = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01" + shape + kind
    array += b"\x89T" + struct.pack("<i", pixels.size) + pixels.tobytes() + b"tb"
    numbers = b"](" + b"".join(b"K" + bytes(bytearray([label])) for label in labels) + b"e"
    return b"\x80\x02}(U\x04data" + array + b"U\x06labels" + numbers + b"u."


def test_cifars_binary_and_python_versions_are_the_same_images(tmp_path):
    pixels, labels = shapes.draw(30, 1)
    planes = numpy.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).reshape(30, -1)
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    shapes.as_cifar(folder / "test_batch.bin", pixels, labels)
    binary = datasets.open_data(str(tmp_path))
    assert binary.format == "cifar10" and binary.name == "cifar-10" and (binary.pixels == pixels).all() and (binary.labels == labels).all()
    contents = [python2_pickle(planes, labels)]
    contents += [pickle.dumps({b"data": planes, b"labels": labels.tolist()}, protocol) for protocol in (2, 4)]
    for number, content in enumerate(contents):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "test_batch").write_bytes(content)
        found = datasets.open_data(str(tmp_path / str(number)))
        assert found.id == binary.id and (found.pixels == pixels).all() and (found.labels == labels).all()


def test_cifar_100_counts_fine_classes(tmp_path):
    pixels, labels = shapes.draw(20, 1)
    shapes.as_cifar(tmp_path / "test.bin", pixels, labels + 90, coarse=labels)
    data = datasets.open_data(str(tmp_path), "cifar100")
    assert len(data.classes) == 100 and (data.labels == labels + 90).all() and (data.pixels == pixels).all()
    planes = pixels.transpose(0, 3, 1, 2).reshape(20, -1)
    (tmp_path / "python").mkdir()
    content = {b"data": planes, b"fine_labels": (labels + 90).tolist(), b"coarse_labels": labels.tolist()}
    (tmp_path / "python" / "test").write_bytes(pickle.dumps(content, 2))
    assert datasets.open_data(str(tmp_path / "python")).id == data.id
    with pytest.raises(DataError) as caught:
        datasets.open_data(str(tmp_path), "cifar10")
    assert "no cifar10 here; one of test_batch, test_batch.bin is needed" in str(caught.value)


class Runs:
    """Runs code when it is unpickled by pickle.load."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize(
    "content", [b"\x80", b"\x80\x02", b"\x80\x02}.", b"\x80\x02K\x01.", b"\x80\x02]q\x00.", b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f"]
)
def test_a_broken_pickle_is_one_line(tmp_path, content):
    (tmp_path / "test_batch").write_bytes(content)
    with pytest.raises(DataError) as caught:
        datasets.open_data(str(tmp_path))
    assert "not a CIFAR pickle" in str(caught.value) and "\n" not in str(caught.value)


def test_a_hostile_pickle_runs_no_code(tmp_path):
    for number, hostile in enumerate((Runs(str(tmp_path / "owned")), {b"data": Runs(str(tmp_path / "owned")), b"labels": [1]})):
        folder = tmp_path / str(number)
        folder.mkdir()
        for protocol in (0, 2, 4):
            (folder / "test_batch").write_bytes(pickle.dumps(hostile, protocol))
            with pytest.raises(DataError) as caught:
                datasets.open_data(str(folder))
            assert "mkdir, which no CIFAR file does" in str(caught.value)
    assert not (tmp_path / "owned").exists()


def test_the_first_of_equal_outputs_wins_and_what_is_no_number_is_wrong():
    outputs = numpy.float32(
        [[0, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6], [9, float("nan"), 0, 0, 0, 0], [float("inf"), 1, 0, 0, 0, 0]]
    )
    top1, top5, finite = top_k.hits(outputs, numpy.array([1, 5, 0, 0, 0]))
    assert top1.tolist() == [False, True, False, False, False]
    assert top5.tolist() == [True, True, False, False, False]
    assert finite.tolist() == [True, True, True, False, False]
    assert [top_k.hits(outputs[:1], numpy.array([label]))[0][0] for label in range(6)] == [True] + 5 * [False], (
        "a constant network guesses one class"
    )


def test_wilsons_interval_is_that_of_the_literature():
    # Newcombe 1998, table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29
    for found, images, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)):
        assert accuracy_totals.wilson(found, images) == pytest.approx((low, high), abs=6e-5)


def totals_of(right, calibration=None):
    """The Totals of one part in which these images were hits."""
    part = {"first": 0, "last": len(right), "images": len(right), "unreadable": 0, "unreadable_first": None, "not_finite": 0, "top5": None}
    part.update(top1=int(sum(right)), hits=top_k.bitmap(numpy.array(right, bool)), executed={"calibration": calibration})
    return accuracy_totals.Totals().plus({"status": "ok", "accuracy": part})


def test_precisions_are_compared_by_pairs_of_the_same_images():
    rng = numpy.random.RandomState(3)
    right = rng.rand(5003) < 0.7
    worse = right & ~(rng.rand(5003) < 0.02) | (~right & (rng.rand(5003) < 0.01))
    pair = accuracy_totals.paired(totals_of(right), totals_of(worse))
    assert (pair.images, pair.lost, pair.won) == (5003, int((right & ~worse).sum()), int((worse & ~right).sum()))
    assert pair.change == pytest.approx((worse.sum() - right.sum()) / 5003.0) and pair.low < pair.change < pair.high < 0
    # by scipy.stats.binomtest(19, 63, 0.5)
    assert accuracy_totals.mcnemar(44, 19) == pytest.approx(0.0022275315, rel=1e-6)
    assert (
        accuracy_totals.mcnemar(0, 3) == pytest.approx(0.25)
        and accuracy_totals.mcnemar(0, 0) == pytest.approx(1.0)
        and accuracy_totals.mcnemar(5, 5) == 1.0
    )


def test_a_small_loss_is_seen_by_pairs_that_the_intervals_of_each_hide():
    right = numpy.arange(5000) % 10 < 7
    worse = right.copy()
    worse[:700:10] = False  # 70 images lost
    pair = accuracy_totals.paired(totals_of(right), totals_of(worse))
    assert pair.p < 1e-6 and pair.high < 0
    (low, _), (_, high) = accuracy_totals.wilson(right.sum(), 5000), accuracy_totals.wilson(worse.sum(), 5000)
    assert low < high


def test_a_cell_is_held_against_fp32_in_its_own_backend_and_synthetic_calibration_is_said():
    right = [True] * 9 + [False]
    cells = [Cell("cpu", "cpu", backend, "resnet18", precision, 1, 224, "latency")
             for backend, precision in (("pytorch", "fp32"), ("openvino", "fp32"), ("openvino", "int8"))]  # fmt: skip
    counted = [
        (cells[0], totals_of(right)),
        (cells[1], totals_of(right)),
        (cells[2], totals_of([False] * 10, "64 synthetic images, seed 1")),
    ]
    against = accuracy_totals.against_fp32(counted)
    assert list(against) == [cells[2]] and against[cells[2]][0] == cells[1]
    told = accuracy_totals.comparison(cells[2], *against[cells[2]])
    assert "int8 224px against fp32 in openvino: -90.00 points" in told and "9 lost and 0 won of 10" in told
    said = accuracy_totals.summary(*counted[2], against[cells[2]])
    assert said["against_fp32"]["lost"] == 9 and "calibrated on synthetic images" in accuracy_totals.sentence(said)


def test_a_record_that_does_not_tell_which_images_it_hit_is_not_paired():
    line = {
        "status": "ok",
        "accuracy": dict(first=0, last=8, images=8, unreadable=0, unreadable_first=None, not_finite=0, top1=5, top5=None),
    }
    old = accuracy_totals.Totals().plus(line)
    assert old.top1 == 5 and old.hits is None and accuracy_totals.paired(old, totals_of([True] * 8)) is None


def test_a_part_counted_twice_counts_once():
    part = {
        "first": 0,
        "last": 500,
        "images": 499,
        "unreadable": 1,
        "unreadable_first": "a.png",
        "not_finite": 0,
        "top1": 300,
        "top5": None,
    }
    following = dict(part, first=500, last=600, images=100, unreadable=0, unreadable_first=None, top1=50)
    total = accuracy_totals.Totals()
    for accuracy_part in (part, part, following, following):
        total = total.plus({"status": "ok", "reason": None, "accuracy": accuracy_part})
    assert (total.end, total.images, total.top1, total.top5, total.unreadable, total.unreadable_first) == (600, 599, 350, None, 1, "a.png")


def test_one_batch_size_stands_for_all():
    cells = [Cell("cpu", "cpu", "noop", "net", "fp32", size, 32, scenario) for size in (1, 64, 8) for scenario in ("latency", "throughput")]
    assert accuracy.representatives(cells) == [cells[0]._replace(batch_size=8)]
    assert accuracy.representatives([cell for cell in cells if cell.batch_size == 64]) == [cells[2]]
    assert accuracy.representatives(cells, 3) == [cells[0]._replace(batch_size=3)]


@pytest.mark.parametrize(
    "section, says",
    [
        ("{limit: 5}", "accuracy.data: missing; give the folder of the labelled images"),
        ("{data: x, format: cifar}", "accuracy.format: cifar is unknown; did you mean cifar10?"),
        ("{data: x, limit: 0}", "accuracy.limit: 0 is out of range; give 1 to 1000000000"),
        ("{data: x, limit: many}", "accuracy.limit: found many, a text; give a whole number"),
        ("{data: 5}", "accuracy.data: found 5, a whole number; give a text"),
        ("{data: x, mean: [1, 2]}", "accuracy.mean: found [1, 2]; give three numbers from -10 to 10, of red, green and blue"),
        ("{data: x, std: [0, 1, 1]}", "accuracy.std: found [0, 1, 1]; give three numbers from 1e-06 to 10, of red, green and blue"),
        ("{data: x, limits: 4}", "accuracy: key limits is unknown; did you mean limit?"),
        ("{data: x, interpolation: cubic}", "accuracy.interpolation: cubic is unknown; did you mean bicubic?"),
        ("[x]", "accuracy: found ['x'], a list; give a mapping"),
    ],
)
def test_a_wrong_section_of_the_matrix_is_one_line(section, says):
    with pytest.raises(MatrixError) as caught:
        matrix.parse("axes: {backend: noop, model: resnet18}\naccuracy: %s\n" % section)
    assert str(caught.value) == "matrix.yaml: " + says


def picture(width, height):
    from PIL import Image

    return Image.fromarray(numpy.random.RandomState(0).randint(0, 256, (height, width, 3), dtype=numpy.uint8))


@pytest.mark.parametrize("name, px", [("resnet18", 224), ("efficientnet_b0", 224), ("inception_v3", 299), ("swin_b", 224)])
@pytest.mark.parametrize("size", [(500, 375), (333, 500), (100, 90), (256, 256)])
def test_images_are_prepared_as_torchvision_does(name, px, size):
    torchvision = sources.modules()["torchvision"].import_torchvision()
    from torchvision import transforms

    prepare = preprocessing.for_network(ModelSpec(name), px)
    modes = torchvision.transforms.InterpolationMode
    steps = [
        transforms.Resize(prepare.resize_px, interpolation=modes(prepare.interpolation)),
        transforms.CenterCrop(px),
        transforms.ToTensor(),
    ]
    wanted = transforms.Compose(steps + [transforms.Normalize(preprocessing.IMAGENET[0], preprocessing.IMAGENET[1])])(
        picture(*size)
    ).numpy()
    assert prepare(picture(*size)).shape == (3, px, px)
    assert numpy.abs(prepare(picture(*size)) - wanted).max() < 1e-5


def test_the_table_is_torchvisions():
    torchvision = sources.modules()["torchvision"].import_torchvision()
    if not hasattr(torchvision.models, "get_model_weights"):  # torchvision before 0.14 publishes no preprocessing: it knows one for all
        assert {preprocessing.for_network(ModelSpec(name), 224).resize_px for name in ("alexnet", "vgg16", "googlenet")} == {256}
        return
    for name in sources.modules()["torchvision"].NAMES:
        published = torchvision.models.get_model_weights(name)
        theirs = (getattr(published, "IMAGENET1K_V1", None) or published.IMAGENET1K_SWAG_LINEAR_V1).transforms()
        ours = preprocessing.for_network(ModelSpec(name), theirs.crop_size[0])
        wanted = (theirs.resize_size[0], theirs.interpolation.value, tuple(theirs.mean), tuple(theirs.std))
        assert (ours.resize_px, ours.interpolation, ours.mean, ours.std) == wanted, name


def test_what_is_unknown_or_small_has_its_own_rule():
    of = preprocessing.for_network
    assert of(ModelSpec("resnet18"), 160).as_dict() == {
        "input_px": 160, "resize_px": 182, "keep_ratio": True, "interpolation": "bilinear", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}  # fmt: skip
    small = of(ModelSpec("resnet18"), 64)
    assert not small.keep_ratio and small.resize_px == 64 and small.mean == preprocessing.CIFAR[10][0]
    assert of(ModelSpec("resnet18"), 224, cifar=100).mean == preprocessing.CIFAR[100][0]
    assert not of(ModelSpec("resnet18"), 224, cifar=100).keep_ratio, "CIFAR's images are not cropped"
    mine = of(ModelSpec("resnet18"), 224, resize_px=300, mean=[0, 0, 0], std=None, interpolation="bicubic")
    assert (mine.resize_px, mine.mean, mine.std, mine.interpolation) == (300, (0, 0, 0), preprocessing.IMAGENET[1], "bicubic")
    assert small(picture(100, 50)).shape == (3, 64, 64)


def test_timms_data_configuration_is_followed():
    config = {
        "input_size": (3, 224, 224),
        "test_input_size": (3, 288, 288),
        "crop_pct": 0.95,
        "test_crop_pct": 1.0,
        "interpolation": "bicubic",
        "mean": HALF,
        "std": HALF,
    }
    spec = ModelSpec("timm:any")
    at_224, at_288 = (preprocessing.for_network(spec, px, data_config=config) for px in (224, 288))
    assert (at_224.resize_px, at_224.interpolation, at_224.mean, at_224.keep_ratio) == (math.floor(224 / 0.95), "bicubic", HALF, True)
    assert at_288.resize_px == 288
    assert not preprocessing.for_network(spec, 224, data_config=dict(config, crop_mode="squash")).keep_ratio


HALF = (0.5, 0.5, 0.5)


@pytest.mark.skipif(backends.importlib.util.find_spec("timm") is None, reason="timm is not installed here")
@pytest.mark.parametrize("name, px", [("resnet50.a1_in1k", 224), ("resnet50.a1_in1k", 288), ("vit_base_patch16_224", 224), ("dpn92", 224)])
def test_images_are_prepared_as_timm_does(name, px):
    config = sources.data_config(ModelSpec("timm:" + name))
    prepare = preprocessing.for_network(ModelSpec("timm:" + name), px, data_config=json.loads(json.dumps(config)))
    from timm.data import create_transform

    share = config["test_crop_pct"] if px == config.get("test_input_size", (0,))[-1] else config["crop_pct"]
    transform = create_transform((3, px, px), interpolation=config["interpolation"], mean=config["mean"], std=config["std"], crop_pct=share)
    assert numpy.abs(prepare(picture(500, 375)) - transform(picture(500, 375)).numpy()).max() < 1e-5
