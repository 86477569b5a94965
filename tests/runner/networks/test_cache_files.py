"""Files of the cache are used only as they were made: a flipped bit or a copy cut short is made anew, never measured."""

import os
import sys

import numpy
import pytest
from support import dyno, need_torch, records

from runner import files
from runner.networks import artefact, cache, content, interchange
from runner.networks.spec import ModelSpec


def flip(path):
    with open(path, "rb") as file:
        data = bytearray(file.read())
    data[len(data) // 2] ^= 1
    with open(path, "wb") as file:
        file.write(data)


def cut(path):
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(data[: len(data) // 2])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    torch = pytest.importorskip("torch")
    from runner.networks import tiny

    sys.modules["cached_nets"] = type(sys)("cached_nets")
    sys.modules["cached_nets"].net = tiny.network
    art = artefact.in_cache(str(tmp_path_factory.mktemp("cache")), ModelSpec("cached_nets:net"), 0, 2, 32)
    yield interchange.make(art, "onnx"), torch
    del sys.modules["cached_nets"]


@pytest.mark.parametrize("damage", [flip, cut])
@pytest.mark.parametrize(("needs", "what", "path"), [
    ("onnx", "onnx", "onnx_path"), ("torch", "weights", "weights_path"), ("onnx", "reference", "reference_path"),
])  # fmt: skip
def test_a_damaged_file_is_missing_and_is_made_anew_as_it_was(made, damage, needs, what, path):
    art, torch = made
    path = getattr(art, path)
    before, outputs = files.sha256(path), art.reference()
    assert art.missing(needs) is None
    damage(path)
    assert art.missing(needs) == what
    again = interchange.make(art, needs)
    assert again.missing("onnx") is None and again.missing("torch") is None
    assert what == "weights" or files.sha256(path) == before  # torch's own format names the file within it
    with torch.no_grad():
        numpy.testing.assert_allclose(again.module()(torch.from_numpy(again.batch())).numpy(), outputs, rtol=1e-5, atol=1e-6)


def test_weights_of_an_older_release_without_a_hash_serve_unless_they_are_cut_off(made):
    art, _ = made
    interchange.make(art, "torch")
    manifest = {name: value for name, value in art.manifest.items() if name != "weights_sha256"}
    old = artefact.Artefact(art.folder, art.spec, art.seed, art.batch_size, art.input_px, manifest)
    assert old.missing("torch") is None
    cut(old.weights_path)
    assert old.missing("torch") == "weights"
    interchange.make(art, "torch")


def test_a_file_that_is_made_once_is_made_again_only_when_it_differs_from_what_was_made(tmp_path):
    path, calls = str(tmp_path / "below" / "network.onnx"), []

    def make(name):
        calls.append(name)
        with open(name, "wb") as file:
            file.write(b"content")

    for _ in range(2):
        assert files.made_once(path, make) == path
    assert len(calls) == 1
    for damage in (flip, cut):
        damage(path)
        files.made_once(path, make)
        with open(path, "rb") as file:
            assert file.read() == b"content"
    assert len(calls) == 3 and sorted(one.name for one in (tmp_path / "below").iterdir()) == ["network.onnx", "network.onnx.sha256"]


def test_what_can_not_be_made_leaves_nothing_behind(tmp_path):
    def make(name):
        with open(name, "wb") as file:
            file.write(b"half")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        files.made_once(str(tmp_path / "network.onnx"), make)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_there_has_no_hash(tmp_path):
    assert content.file_hash(str(tmp_path / "absent")) is None


def test_a_full_cache_loses_the_networks_used_longest_ago_first_and_never_the_one_in_work(tmp_path):
    folders = {}
    for age, name in enumerate(("newest", "middle", "oldest")):
        folders[name] = tmp_path / "networks" / name
        folders[name].mkdir(parents=True)
        (folders[name] / "model.onnx").write_bytes(bytes(1000))
        os.utime(str(folders[name]), (1e9 - age, 1e9 - age))
    cache.used(str(folders["oldest"]))  # measured once more
    assert cache.prune(str(tmp_path), 2500) == 1000 and not folders["middle"].exists()
    assert cache.prune(str(tmp_path), 0, keep=str(folders["newest"])) == 1000 and folders["newest"].exists()


def test_a_cache_too_small_for_all_networks_makes_each_anew_in_every_round(tmp_path):
    need_torch()
    path = tmp_path / "matrix.yaml"
    protocol = "replicates: 2, max_time_s: 0.2, min_time_s: 0.02, warmup_max_s: 0.05, quiet_wait_s: 0, contention_limit: 1, anchor_from: 0"
    axes = "backend: pytorch, model: [squeezenet1_1, mnasnet0_5], input_px: 32"
    path.write_text("protocol: {%s, cache_limit_gb: 0.000001}\naxes: {%s}\n" % (protocol, axes))
    code, out, err = dyno("run", "-m", str(path), "-r", str(tmp_path))
    assert code == 0, out + err
    assert [(line["status"], len(line["replicates"])) for line in records(tmp_path)] == [("ok", 2)] * 2
    assert len(os.listdir(str(tmp_path / "cache" / "networks"))) == 1
