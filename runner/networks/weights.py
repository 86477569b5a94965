"""Seeded random weights under which a network still computes something.

Freshly initialised networks are poor subjects: many answer the same whatever they see (so no parity check
can fail), and their activations may vanish into denormals, which CPUs compute slowly. ``randomise`` draws
weights that keep activations normalised and outputs dependent on the input. They come from NumPy's legacy
generator, whose stream is fixed for ever, so that every image measures the same network.
"""

import contextlib
import zlib
from typing import TYPE_CHECKING, Any, Dict, Iterator, Tuple

import numpy

from runner.networks.checkpoints import load_checkpoint  # noqa: F401

if TYPE_CHECKING:
    import torch

VERSION = 1  # moves when the same seed gives other weights: part of the key of whatever is kept of them
POOL = (1 << 20) + 7  # not a multiple of any layer's row, so that rows start at different places
CALIBRATION_IMAGES, CALIBRATION_PX = 4, 128
DEGENERATE = 0.02  # sensitivity() below which outputs hardly depend on the input
# He initialisation has 2, which restores the mean square that ReLU halves; a filter of zero mean sees the variance alone.
GAIN = 2 / (1 - 1 / 3.141592653589793)


@contextlib.contextmanager
def no_initialisation() -> Iterator[None]:
    """Skip PyTorch's default initialisation while a network is constructed; its parameters are then arbitrary."""
    from torch.nn import init

    original = {name: item for name, item in vars(init).items() if name.endswith("_") and not name.startswith("__") and callable(item)}
    try:
        for name in original:
            setattr(init, name, lambda tensor, *args, **kwargs: tensor)
        yield
    finally:
        for name, function in original.items():
            setattr(init, name, function)


def randomise(model: "torch.nn.Module", seed: int, input_px: int, channels: int = 3) -> None:
    """Fill every parameter in place, then calibrate the batch normalisations on seeded images."""
    import torch

    pool = numpy.random.RandomState(seed).standard_normal(POOL).astype(numpy.float32)
    with torch.no_grad():
        for prefix, module in model.named_modules():
            for name, parameter in module._parameters.items():
                if parameter is not None:
                    _fill(parameter, module, name, pool, seed ^ zlib.crc32((prefix + "." + name).encode()))
    _calibrate(model, seed, input_px, channels)


def _fill(parameter: "torch.nn.Parameter", module: "torch.nn.Module", name: str, pool: numpy.ndarray, seed: int) -> None:
    """Normal values around ``_mean`` with standard deviation ``_std``, cut from the pool in blocks of random start and sign."""
    random = numpy.random.RandomState(seed & 0xFFFFFFFF)
    if not parameter.is_contiguous():
        parameter.data = parameter.data.contiguous()
    flat = parameter.detach().view(-1).numpy()
    mean, std = _distribution(parameter, module, name)
    for start in range(0, flat.size, POOL // 2):
        block = flat[start : start + POOL // 2]
        offset = random.randint(POOL // 2)
        numpy.multiply(pool[offset : offset + block.size], std * random.choice((-1, 1)), out=block)
    if mean:
        flat += numpy.float32(mean)
    if name == "weight" and parameter.dim() > 1 and parameter[0].numel() > 9:
        # Filters of zero mean: what ReLU leaves is positive, and its mean would swamp what differs between images.
        rows = flat.reshape(parameter.shape[0], -1)
        rows -= rows.mean(axis=1, keepdims=True)


def _distribution(parameter: "torch.nn.Parameter", module: "torch.nn.Module", name: str) -> Tuple[float, float]:
    """(mean, standard deviation) for a parameter, by what it is."""
    kind = type(module).__name__
    if "Norm" in kind:
        # Biases above zero keep ReLU mostly linear: rounding errors then don't grow from layer to layer.
        return (1.0, 0.1) if name == "weight" else (0.5, 0.2) if "Batch" in kind else (0.0, 0.1)
    if "layer_scale" in name or name in ("gamma", "logit_scale"):
        return 1.0, 0.1
    if name.endswith("bias") or parameter.dim() < 2:
        return 0.0, 0.05
    if name == "weight" and parameter.dim() in (2, 4):
        return 0.0, (GAIN / parameter[0].numel()) ** 0.5
    if name.endswith("weight"):
        return 0.0, (1.0 / parameter.shape[-1]) ** 0.5
    return 0.0, 0.5  # position embeddings, class tokens and the like


def _calibrate(model: "torch.nn.Module", seed: int, input_px: int, channels: int) -> None:
    """One pass of seeded images sets the running statistics of every batch normalisation, and centres the outputs.

    Each layer sees what it has normalised. The last layer's bias then takes the mean over the images off each
    class: without that all images give nearly the same outputs, and the same Top-1 class.
    """
    import torch

    normalisations = [
        module for module in model.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm) and module.track_running_stats
    ]
    last: Dict[Any, Any] = {}
    momenta, hooks = [layer.momentum for layer in normalisations], []
    model.eval()
    for layer in normalisations:
        layer.reset_running_stats()
        layer.train()
        layer.momentum = 1.0
    for module in model.modules():
        if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)):
            hooks.append(module.register_forward_hook(lambda layer, _, output: last.update(layer=layer, output=output)))
    try:
        with torch.no_grad():
            _forward(model, seed, input_px, channels)
            if last and last["layer"].bias is not None:
                output = last["output"]
                channel = 1 if output.dim() == 4 else output.dim() - 1
                last["layer"].bias -= output.mean([axis for axis in range(output.dim()) if axis != channel])
    finally:
        for hook in hooks:
            hook.remove()
        for layer, momentum in zip(normalisations, momenta):
            layer.momentum = momentum
        model.eval()


def _forward(model: "torch.nn.Module", seed: int, input_px: int, channels: int) -> None:
    """At one size whatever is measured, so that the network is the same at all; at its own size if it takes no other."""
    import torch

    try:
        model(torch.from_numpy(images(CALIBRATION_IMAGES, CALIBRATION_PX, seed, channels)))
    except Exception:  # a user's network may raise anything
        model(torch.from_numpy(images(CALIBRATION_IMAGES, input_px, seed, channels)))


def images(count: int, input_px: int, seed: int, channels: int = 3) -> numpy.ndarray:
    """float32 [count, channels, px, px]: seeded images, about zero mean and unit variance.

    Like photographs they differ at all scales: random squares of 1, 1/2, 1/4 and 1/8 of the image, and noise. Noise
    alone would not do: to a network that averages over the image, all noise is the same.
    """
    random = numpy.random.RandomState(seed & 0xFFFFFFFF)
    result = 0.45 * random.standard_normal((count, channels, input_px, input_px)).astype(numpy.float32)
    for squares in (1, 2, 4, 8):
        values = 0.45 * random.standard_normal((count, channels, squares, squares)).astype(numpy.float32)
        index = numpy.arange(input_px) * squares // input_px
        result += values[:, :, index][:, :, :, index]
    return result


def sensitivity(model: "torch.nn.Module", input_px: int, seed: int = 1, count: int = 4, channels: int = 3) -> float:
    """How much the output depends on the input: its deviation over images relative to its deviation over classes.

    About 1 for a lively network; a network whose outputs are the same for all images has 0.
    """
    import torch

    from runner.errors import ModelUnavailable

    with torch.no_grad():
        output = model(torch.from_numpy(images(count, input_px, seed, channels)))
    if not isinstance(output, torch.Tensor):  # a scripted network, whose outputs can't be chosen from
        raise ModelUnavailable("its output is %s; a scripted network should return one tensor" % type(output).__name__)
    return output_sensitivity(output.numpy())


def output_sensitivity(output: numpy.ndarray) -> float:
    """The same from outputs [images, classes], two images at least."""
    over_classes = float(output.std(axis=1).mean())
    return float(output.std(axis=0).mean()) / over_classes if over_classes else 0.0
