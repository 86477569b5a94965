"""The network of runner.networks.tiny kept as files, so that backends are tested where no PyTorch is.

``python tests/runner/tiny_network.py`` (torch 2.x) writes tests/data/tiny_network.onnx and .npz anew: weights, one input
and PyTorch's fp32 output for it.
"""

import os
import sys
from dataclasses import dataclass
from typing import Any, Callable

import numpy

from runner.backends.base import Job
from runner.networks import tiny
from runner.networks.artefact import Artefact
from runner.networks.spec import ModelSpec
from runner.records.cell import Cell

DATA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data")
ONNX = os.path.join(DATA, "tiny_network.onnx")
ARRAYS = os.path.join(DATA, "tiny_network.npz")
SHAPE = (3, 32, 32)
CLASSES = 10


def arrays():
    with numpy.load(ARRAYS) as file:
        return {name: file[name] for name in file.files}


def architecture():
    return tiny.network(CLASSES)


def module():
    import torch

    network, kept = architecture(), arrays()
    network.load_state_dict({name: torch.from_numpy(kept[name]) for name in network.state_dict()})
    return network.eval()


@dataclass(frozen=True)
class Kept(Artefact):
    """The tiny network's files as they lie in tests/data; ``file`` and ``network`` can stand in for its own."""

    file: str = ONNX
    network: Callable[[], Any] = module

    @property
    def onnx_path(self):
        return self.file

    def module(self):
        return self.network()


def job(
    cache_dir,
    device="cpu",
    precision="fp32",
    scenario="latency",
    variant=None,
    threads=1,
    calibration=None,
    onnx_path=ONNX,
    batch_size=1,
    own_precision=None,
    network=module,
):
    """The Job that a worker gives a backend, for the tiny network."""
    backend = "test:%s" % variant if variant else "test"
    cell = Cell("test", device, backend, "squeezenet1_1", precision, batch_size, SHAPE[-1], scenario)
    manifest = {"precision": own_precision, "input_shape": SHAPE, "batches": {str(batch_size): {"sha256": "tiny"}}}
    artefact = Kept(str(cache_dir), ModelSpec("squeezenet1_1"), 0, batch_size, SHAPE[-1], manifest, str(onnx_path), network)
    return Job(cell, artefact, threads, str(cache_dir), calibration)


def difference(outputs):
    """Largest absolute difference to the reference over the reference's largest absolute value."""
    reference = arrays()["output"]
    assert outputs.shape == reference.shape and outputs.dtype == numpy.float32
    return float(abs(outputs - reference).max() / abs(reference).max())


def write():
    import torch

    torch.manual_seed(3)
    network = architecture().train()
    x = torch.randn(1, *SHAPE)
    with torch.no_grad():
        for _ in range(20):
            network(torch.randn(4, *SHAPE))
        network.eval()
        output = network(x)
    torch.onnx.export(network, (x,), ONNX, opset_version=11, dynamo=False, input_names=["input"], output_names=["output"])
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    numpy.savez_compressed(ARRAYS, input=x.numpy(), output=output.numpy(), **state)


if __name__ == "__main__":
    sys.exit(write())
