"""The network of runner.networks.tiny kept as files, so that backends are tested where no PyTorch is.

``python tests/runner/tiny_network.py`` (torch 2.x) writes tests/data/tiny_network.onnx and .npz anew: weights, one input
and PyTorch's fp32 output for it.
"""

import os
import sys
from types import SimpleNamespace

import numpy

from runner.networks import tiny

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
):
    """What runner.measure.worker gives a backend, for the tiny network."""
    cell = SimpleNamespace(
        platform="test",
        device=device,
        backend="test",
        model="tiny",
        precision=precision,
        batch_size=batch_size,
        input_px=32,
        scenario=scenario,
    )
    artefact = SimpleNamespace(
        onnx_path=onnx_path,
        onnx_sha256="tiny",
        input_shape=SHAPE,
        seed=0,
        spec=SimpleNamespace(name="squeezenet1_1"),
        module=module,
        own_precision=own_precision,
    )
    return SimpleNamespace(
        cell=cell, artefact=artefact, variant=variant, threads=threads, cache_dir=str(cache_dir), calibration=calibration
    )


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
