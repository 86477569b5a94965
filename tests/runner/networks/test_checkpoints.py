"""Checkpoints as training scripts write them are read as data; what they pickle is never run, in no version of PyTorch."""

import argparse
import os
import warnings
import zipfile

import pytest

torch = pytest.importorskip("torch")
from torch import nn

from runner.errors import CheckpointError
from runner.networks.checkpoints import load_checkpoint


class Evil:
    def __reduce__(self):
        return os.mkdir, (os.environ["DYNO_TEST_EVIL"],)


@pytest.fixture(params=["own", "2.9.1", "1.10.0"])
def _version(request, monkeypatch):
    if request.param != "own":
        monkeypatch.setattr(torch, "__version__", request.param)
    warnings.simplefilter("ignore")


def network(value=0.0):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    nn.init.constant_(model[0].weight, value)
    return model


@pytest.mark.parametrize("shape", ["plain", "reference", "train", "ema", "lightning", "parallel"])
def test_checkpoints_of_the_usual_scripts_load(tmp_path, _version, shape):
    state = network(2.0).state_dict()
    content = {
        "plain": state,
        "reference": {
            "model": state,
            "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]},
            "epoch": 3,
            "args": argparse.Namespace(lr=0.1),
        },
        "train": {"epoch": 3, "arch": "net", "state_dict": state, "args": argparse.Namespace(lr=0.1), "version": 2},
        "ema": {"state_dict_ema": state, "epoch": 1},
        "lightning": {"state_dict": {"model." + key: value for key, value in state.items()}, "global_step": 1},
        "parallel": {"module." + key: value for key, value in state.items()},
    }[shape]
    torch.save(content, str(tmp_path / "a.pth"))
    model = network()
    load_checkpoint(model, str(tmp_path / "a.pth"))
    assert float(model[0].weight.detach().mean()) == 2.0


def test_what_a_checkpoint_pickles_is_never_run(tmp_path, _version, monkeypatch):
    monkeypatch.setenv("DYNO_TEST_EVIL", str(tmp_path / "made"))
    for legacy in (False, True):
        torch.save(
            {"state_dict": network().state_dict(), "more": Evil()}, str(tmp_path / "a.pth"), _use_new_zipfile_serialization=not legacy
        )
        with pytest.raises(CheckpointError) as error:
            load_checkpoint(network(), str(tmp_path / "a.pth"))
        assert "\n" not in str(error.value) and not (tmp_path / "made").exists()


def test_a_git_lfs_pointer_is_named_as_such(tmp_path):
    (tmp_path / "a.pth").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    with pytest.raises(CheckpointError, match="git lfs pull"):
        load_checkpoint(network(), str(tmp_path / "a.pth"))


def test_a_storage_that_claims_more_than_the_file_holds_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.9.1")
    path = str(tmp_path / "a.pth")
    torch.save(network().state_dict(), path)
    load_checkpoint(network(), path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content[:8] if name.endswith("data/0") else content)
    with pytest.raises(CheckpointError, match="shorter than it says"):
        load_checkpoint(network(), path)


@pytest.mark.parametrize("kind", ["float16", "float64", "int64", "uint8", "bool", "bfloat16"])
def test_tensors_of_every_kind_are_counted_right(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(torch, "__version__", "1.10.0")
    state = network().state_dict()
    torch.save(
        {"state_dict": state, "more": torch.zeros(7, dtype=getattr(torch, kind)), "shape": state["0.weight"].shape}, str(tmp_path / "a.pth")
    )
    load_checkpoint(network(), str(tmp_path / "a.pth"))
