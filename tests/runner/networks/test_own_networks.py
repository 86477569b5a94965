"""A user's own network: whatever form it has, its one output tensor is measured, or a line of ours says why not."""

import os
import subprocess
import sys
from collections import OrderedDict, namedtuple

import pytest
import support

torch = pytest.importorskip("torch")
from torch import nn

from runner.errors import ModelUnavailable, Unprepared
from runner.networks import artefact, interchange, sources
from runner.networks.spec import ModelSpec

Output = namedtuple("Output", "hidden logits")


class Net(nn.Module):
    def __init__(self, channels=3, form=lambda features, logits: logits, only_px=None):
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(channels, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Linear(8, 10)
        self.form, self.only_px = form, only_px

    def forward(self, x):
        if self.only_px:
            assert x.shape[-1] == self.only_px, "only %d px" % self.only_px
        features = torch.relu(self.norm(self.conv(x)))
        return self.form(features, self.fc(features.mean((2, 3))))


def refusal():
    raise FileNotFoundError("backbone.pth")


class Red(RuntimeError):
    pass


def escapes():
    raise Red("\x1b[2J\x1b[31mred\n\n" + "x" * 100000)


def leaves():
    sys.exit("usage: train.py [-h] --data DATA")


def twice(features, logits):
    return logits, features


FUNCTIONS = {
    "plain": lambda: Net(),
    "pair": lambda: Net(form=lambda features, logits: (logits, features)),
    "mapping": lambda: Net(form=lambda features, logits: OrderedDict(features=features, logits=logits)),
    "named": lambda: Net(form=lambda features, logits: Output(None, logits)),
    "deep": lambda: Net(form=lambda features, logits: ((None, [logits]), {"features": features})),
    "nothing": lambda: Net(form=lambda features, logits: None),
    "words": lambda: Net(form=lambda features, logits: "a cat"),
    "sum": lambda: Net(form=lambda features, logits: logits.sum()),
    "gray": lambda: Net(1),
    "half": lambda: Net().half(),
    "double": lambda: Net().double(),
    "parallel": lambda: nn.DataParallel(Net()),
    "traced": lambda: torch.jit.trace(Net().eval(), torch.zeros(1, 3, 32, 32)),
    "instance": Net(),
    "two_channels": lambda: Net(2),
    "bf16": lambda: Net().bfloat16(),
    "compiled": lambda: torch.compile(Net()) if hasattr(torch, "compile") else Net(),
    "scripted": lambda: torch.jit.script(nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))),
    "traced_pair": lambda: torch.jit.trace(Net(form=twice).eval(), torch.zeros(1, 3, 32, 32)),
    "lookup": lambda: Net(form=lambda features, logits: {"a": logits}["logits"]),
    "escapes": escapes,
    "leaves": leaves,
    "only32": lambda: Net(only_px=32),
    "boom": refusal,
    "needs": lambda width: Net(),
    "lazy": lambda: nn.Sequential(nn.LazyConv2d(8, 3)),
    "text": lambda: "no network",
    "only48": lambda: Net(only_px=48),
}


@pytest.fixture(autouse=True)
def _module(monkeypatch):
    monkeypatch.setitem(sys.modules, "own_nets", type(sys)("own_nets"))
    for name, function in FUNCTIONS.items():
        monkeypatch.setattr(sys.modules["own_nets"], name, function, raising=False)


@pytest.mark.parametrize(
    "name", ["plain", "pair", "mapping", "named", "deep", "gray", "half", "double", "parallel", "traced", "instance", "only32", "two_channels",
     "bf16", "compiled", "scripted"]
)  # fmt: skip
def test_the_logits_of_every_form_of_network_are_measured(tmp_path, name):
    art = artefact.in_cache(str(tmp_path), ModelSpec("own_nets:" + name, num_classes=10), 0, 2, 32)
    art = interchange.make(art, "torch")
    assert art.input_shape == ({"gray": 1, "two_channels": 2}.get(name, 3), 32, 32) and art.reference().shape == (2, 10)
    with torch.no_grad():
        output = art.module()(torch.from_numpy(art.batch()))
    assert output.shape == (2, 10) and output.dtype == torch.float32
    said = {
        "pair": "first tensor of tuple",
        "mapping": "logits of OrderedDict",
        "named": "logits of Output",
        "deep": "first tensor of tuple",
    }
    assert art.output == said.get(name)


@pytest.mark.parametrize(("name", "said"), [
    ("boom", "the function raised FileNotFoundError at line %d of test_own_networks.py" % (refusal.__code__.co_firstlineno + 1)), ("needs", "needs width"), ("lazy", "no size yet"), ("text", "returned str"),
    ("nothing", "nothing: its output is NoneType without a tensor"), ("words", "its output is str without a tensor"), ("sum", "its output is one number"),
    ("only48", "of test_own_networks.py, given a float image of 32 px (`input_px` sets another size)"), ("absent", "can't be imported"),
    ("plane", "own_nets has no plane; did you mean plain?"), ("escapes", "raised Red at line"), ("leaves", "raised SystemExit at line"),
    ("lookup", "its forward raised KeyError at line"),
])  # fmt: skip
def test_what_is_no_network_for_this_image_is_refused_in_a_line(name, said):
    with pytest.raises(ModelUnavailable) as error:
        sources.build(ModelSpec("own_nets:" + name, num_classes=10, input_px=32), 0)
    assert said in str(error.value) and str(error.value).isprintable() and len(str(error.value)) < 200


def test_a_scripted_network_of_several_outputs_is_refused_in_words(tmp_path):
    with pytest.raises(Unprepared, match="its output is tuple; a scripted network should return one tensor"):
        interchange.make(artefact.in_cache(str(tmp_path), ModelSpec("own_nets:traced_pair", num_classes=10), 0, 1, 32), "torch")


@pytest.mark.parametrize("weights", ["pretrained", "random"])
def test_a_network_that_keeps_its_weights_is_tried_before_it_is_timed(tmp_path, weights):
    spec = ModelSpec("own_nets:lookup", num_classes=10, weights=weights)
    with pytest.raises(Unprepared, match="own_nets:lookup: its forward raised KeyError at line .* given a float image of 32 px"):
        interchange.make(artefact.in_cache(str(tmp_path), spec, 0, 1, 32), "torch")


OWN = """
import torch
from torch import nn

class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 10)

    def forward(self, x):
        return x, self.fc(x.mean((2, 3)))

def pair():
    return Pair()

def red():
    raise ValueError("\\x1b[31mall the details")
"""


@pytest.mark.parametrize(("source", "said"), [
    ("import nowhere_at_all\n", "can't be imported: it needs nowhere_at_all, which is not installed here"),
    ("def make(:\n", "raised SyntaxError at line 1 of broken_nets.py"),
    ("\nraise ValueError('x')\n", "raised ValueError at line 2 of broken_nets.py"),
    ("import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--data', required=True)\nparser.parse_args([])\n", "raised SystemExit at line 4"),
    (None, "there is no broken_nets.py here; add its folder to PYTHONPATH"),
])  # fmt: skip
def test_a_file_that_can_not_be_imported_is_told_with_its_line(tmp_path, monkeypatch, source, said):
    if source is not None:
        (tmp_path / "broken_nets.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "broken_nets", raising=False)
    with pytest.raises(ModelUnavailable) as error:
        sources.build(ModelSpec("broken_nets:make", input_px=32), 0)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_run_says_where_a_network_failed_and_keeps_its_words_in_the_log(tmp_path):
    (tmp_path / "own_run_nets.py").write_text(OWN)
    path = support.matrix(tmp_path, "backend: pytorch, model: ['own_run_nets:pair', 'own_run_nets:red'], input_px: 32")
    env = {"PYTHONPATH": os.pathsep.join((support.ROOT, str(tmp_path))), "DYNO_PLATFORM": "cpu"}
    code, out, err = support.dyno("run", "-m", path, "-r", str(tmp_path), env=env)
    assert code == 0, err
    found = {line["cell"]["model"]: line for line in support.records(tmp_path)}
    assert found["own_run_nets:red"]["reason"] == "own_run_nets:red: the function raised ValueError at line 17 of own_run_nets.py"
    assert found["own_run_nets:pair"]["replicates"][0]["executed"]["output"] == "first tensor of tuple"
    with open(support.record_file(tmp_path).replace(".jsonl", ".log"), encoding="utf-8") as file:
        log = file.read()
    assert "ValueError: " in log and "all the details" in log and "in red" in log and "\x1b" not in log
    assert "all the details" not in out + err


def test_a_network_beside_the_matrix_is_found_by_the_installed_program_and_its_edit_is_seen(tmp_path):
    script = tmp_path / "bin" / "dyno"  # as an installed program, which looks in its own folder and not in the current one
    script.parent.mkdir()
    script.write_text("from runner.cli import main\nmain()\n")
    (tmp_path / "beside_nets.py").write_text(OWN)
    support.matrix(tmp_path, "backend: pytorch, model: 'beside_nets:pair', input_px: 32")

    def said(*words):
        command = [sys.executable, str(script), *words, "-r", "results"]
        return subprocess.check_output(command, cwd=str(tmp_path), env=support.environment(DYNO_PLATFORM="cpu")).decode()

    assert "1 ok" in said("run")
    assert "0 missing" in said("status") and "changed" not in said("status")
    (tmp_path / "beside_nets.py").write_text(OWN.replace("self.fc(x.mean", "2 * self.fc(x.mean"))
    assert "the network (its code, file, weights, classes or seed) changed" in said("status")
