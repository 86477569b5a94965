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


@pytest.mark.parametrize(
    "shape",
    ["plain", "reference", "train", "ema", "lightning", "parallel", "timm", "averaged", "distributed", "compiled", "lightning with a loss"],
)
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
        "timm": {
            "epoch": 3,
            "arch": "net",
            "state_dict": state,
            "state_dict_ema": {key: value * 0 for key, value in state.items()},
            "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(2)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
            "amp_scaler": {"scale": 65536.0},
            "args": argparse.Namespace(lr=0.1, mean=[0.5], device=torch.device("cpu"), dtype=torch.float16),
            "metric": 76.1,
        },
        "averaged": {"model_ema": dict({"module." + key: value for key, value in state.items()}, n_averaged=torch.tensor(5))},
        "distributed": {"model": {"module.module." + key: value for key, value in state.items()}},
        "compiled": {"_orig_mod." + key: value for key, value in state.items()},
        "lightning with a loss": {
            "state_dict": dict({"net." + key: value for key, value in state.items()}, **{"criterion.weight": torch.ones(4)}),
            "hyper_parameters": {"lr": 0.1},
        },
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
        assert "\n" not in str(error.value) and not (tmp_path / "made").exists() and "weights_only" not in str(error.value)
        assert legacy or "mkdir, which is neither a tensor nor plain data" in str(error.value)


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_file_that_was_cut_is_told_in_our_words(tmp_path, _version, kept):
    torch.save({"state_dict": network(2.0).state_dict()}, str(tmp_path / "whole.pth"))
    content = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "a.pth").write_bytes(content[: int(kept * len(content))])
    with pytest.raises(CheckpointError, match="cut short"):
        load_checkpoint(network(), str(tmp_path / "a.pth"))


def test_safetensors_load_or_are_refused_in_words(tmp_path):
    path = str(tmp_path / "a.safetensors")
    try:
        from safetensors.torch import save_file
    except ImportError:  # of Python 3.6, whose images have none
        (tmp_path / "a.safetensors").write_bytes(b"")
        with pytest.raises(CheckpointError, match="needs the Python package safetensors"):
            load_checkpoint(network(), path)
        return
    save_file(network(2.0).state_dict(), path)
    model = network()
    load_checkpoint(model, path)
    assert float(model[0].weight.detach().mean()) == 2.0
    for content in (b"", b"\xff" * 100, (tmp_path / "a.safetensors").read_bytes()[:-9]):
        (tmp_path / "a.safetensors").write_bytes(content)
        with pytest.raises(CheckpointError, match="no PyTorch checkpoint, or was cut short"):
            load_checkpoint(network(), path)


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
