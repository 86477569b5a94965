"""A user's own network: whatever form it has, its one output tensor is measured, or a line of ours says why not."""

import sys
from collections import OrderedDict, namedtuple

import pytest

torch = pytest.importorskip("torch")
from torch import nn

from runner.errors import ModelUnavailable
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
    "name", ["plain", "pair", "mapping", "named", "deep", "gray", "half", "double", "parallel", "traced", "instance", "only32"]
)
def test_the_logits_of_every_form_of_network_are_measured(tmp_path, name):
    art = artefact.in_cache(str(tmp_path), ModelSpec("own_nets:" + name, num_classes=10), 0, 2, 32)
    art = interchange.make(art, "torch")
    assert art.input_shape == ((1 if name == "gray" else 3), 32, 32) and art.reference().shape == (2, 10)
    with torch.no_grad():
        output = art.module()(torch.from_numpy(art.batch()))
    assert output.shape == (2, 10) and output.dtype == torch.float32


@pytest.mark.parametrize(("name", "said"), [
    ("boom", "the function failed: FileNotFoundError: backbone.pth"), ("needs", "needs width"), ("lazy", "no size yet"), ("text", "returned str"),
    ("nothing", "nothing: its output is NoneType without a tensor"), ("words", "its output is str without a tensor"), ("sum", "its output is one number"),
    ("only48", "can't take a float image: AssertionError: only 48 px"), ("absent", "can't be imported"),
])  # fmt: skip
def test_what_is_no_network_for_this_image_is_refused_in_a_line(name, said):
    with pytest.raises(ModelUnavailable) as error:
        sources.build(ModelSpec("own_nets:" + name, num_classes=10, input_px=32), 0)
    assert said in str(error.value) and "\n" not in str(error.value)
