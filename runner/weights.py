"""Weights: seeded random ones under which a network still computes something, and published or own ones from files.

Freshly initialised networks are poor subjects: many answer the same whatever they see (so no parity check
can fail), and their activations may vanish into denormals, which CPUs compute slowly. ``randomise`` draws
weights that keep activations normalised and outputs dependent on the input. They come from NumPy's legacy
generator, whose stream is fixed for ever, so that every image measures the same network.
"""

import contextlib
import os
import re
import zlib

import numpy

POOL = (1 << 20) + 7  # not a multiple of any layer's row, so that rows start at different places
CALIBRATION_IMAGES, CALIBRATION_PX = 4, 128


@contextlib.contextmanager
def no_initialisation():
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


def randomise(model, seed, input_px):
    """Fill every parameter in place, then calibrate the batch normalisations on seeded images."""
    import torch

    pool = numpy.random.RandomState(seed).standard_normal(POOL).astype(numpy.float32)
    with torch.no_grad():
        for prefix, module in model.named_modules():
            for name, parameter in module._parameters.items():
                if parameter is not None:
                    _fill(parameter, module, name, pool, seed ^ zlib.crc32((prefix + "." + name).encode()))
    _calibrate(model, seed, input_px)


def _fill(parameter, module, name, pool, seed):
    """Normal values around ``_mean`` with standard deviation ``_std``, cut from the pool in blocks of random start and sign."""
    random = numpy.random.RandomState(seed & 0xFFFFFFFF)
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


def _distribution(parameter, module, name):
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
        return 0.0, (2.0 / parameter[0].numel()) ** 0.5
    if name.endswith("weight"):
        return 0.0, (1.0 / parameter.shape[-1]) ** 0.5
    return 0.0, 0.5  # position embeddings, class tokens and the like


def _calibrate(model, seed, input_px):
    """One pass of seeded images sets the running statistics of every batch normalisation, and centres the outputs.

    Each layer sees what it has normalised. The last layer's bias then takes the mean over the images off each
    class: without that all images give nearly the same outputs, and the same Top-1 class.
    """
    import torch

    normalisations = [module for module in model.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm) and module.track_running_stats]
    momenta, last, hooks = [layer.momentum for layer in normalisations], {}, []
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
            _forward(model, seed, input_px)
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


def _forward(model, seed, input_px):
    """At one size whatever is measured, so that the network is the same at all; at its own size if it takes no other."""
    import torch

    try:
        model(torch.from_numpy(images(CALIBRATION_IMAGES, CALIBRATION_PX, seed)))
    except (RuntimeError, AssertionError, ValueError):
        model(torch.from_numpy(images(CALIBRATION_IMAGES, input_px, seed)))


def images(count, input_px, seed):
    """float32 [count, 3, px, px]: seeded images, about zero mean and unit variance.

    Like photographs they differ at all scales: random squares of 1, 1/2, 1/4 and 1/8 of the image, and noise. Noise
    alone would not do: to a network that averages over the image, all noise is the same.
    """
    random = numpy.random.RandomState(seed & 0xFFFFFFFF)
    result = 0.45 * random.standard_normal((count, 3, input_px, input_px)).astype(numpy.float32)
    for squares in (1, 2, 4, 8):
        values = 0.45 * random.standard_normal((count, 3, squares, squares)).astype(numpy.float32)
        index = numpy.arange(input_px) * squares // input_px
        result += values[:, :, index][:, :, :, index]
    return result


def sensitivity(model, input_px, seed=1, count=4):
    """How much the output depends on the input: its deviation over images relative to its deviation over classes.

    About 1 for a lively network; a network whose outputs are the same for all images has 0.
    """
    import torch

    with torch.no_grad():
        output = model(torch.from_numpy(images(count, input_px, seed))).numpy()
    return output_sensitivity(output)


def output_sensitivity(output):
    """The same from outputs [images, classes], two images at least."""
    over_classes = float(output.std(axis=1).mean())
    return float(output.std(axis=0).mean()) / over_classes if over_classes else 0.0


class CheckpointError(Exception):
    """A checkpoint doesn't fit; the message is one line."""


def load_checkpoint(model, path):
    """Load a state_dict, or a {"state_dict": ...}, by name; auxiliary heads that the network no longer has are passed over."""
    import inspect

    import torch

    if not os.path.isfile(path):
        raise CheckpointError("%s: no such checkpoint" % path)
    options = {"map_location": "cpu"}
    if "weights_only" in inspect.signature(torch.load).parameters:
        options["weights_only"] = True  # a checkpoint is data: never run what it pickles
    try:
        state = torch.load(path, **options)
    except Exception as error:  # pickle, zip and torch each have their own
        raise CheckpointError("%s: no PyTorch checkpoint (%s)" % (path, str(error).splitlines()[0]))
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(hasattr(value, "shape") for value in state.values()):
        raise CheckpointError("%s: holds no state_dict" % path)
    state = {re.sub(r"^(module\.|_orig_mod\.)+", "", key): value for key, value in state.items()}
    wanted = model.state_dict()
    state = {key: value for key, value in state.items() if key in wanted or not re.match(r"(aux\d?|AuxLogits)\.", key)}
    for key, value in state.items():
        if key in wanted and wanted[key].shape != value.shape:
            raise CheckpointError("%s: %s is %s, the network has %s" % (path, key, list(value.shape), list(wanted[key].shape)))
    result = model.load_state_dict(state, strict=False)
    missing = [key for key in result.missing_keys if not key.endswith("num_batches_tracked")]
    if missing or result.unexpected_keys:
        raise CheckpointError("%s: doesn't fit: lacks %s, has unknown %s" % (path, missing[:3] or "nothing", result.unexpected_keys[:3] or "nothing"))


@contextlib.contextmanager
def checked_downloads():
    """Every download of PyTorch's loader is checked against the hash in its file's name, also where old loaders don't ask for it.

    The loader writes to a temporary file and renames it, so a download that breaks off leaves nothing behind.
    """
    from torch import hub

    original = hub.download_url_to_file

    def download(url, dst, hash_prefix=None, progress=True):
        if hash_prefix is None:
            hash_prefix = _hash_in(os.path.basename(dst))
        return original(url, dst, hash_prefix, progress=False)

    hub.download_url_to_file = download
    try:
        yield
    finally:
        hub.download_url_to_file = original


def drop_broken_download(url):
    """Delete the cached file of ``url`` if its content doesn't have the hash in its name, so that it is fetched again."""
    import hashlib

    from torch import hub

    path = os.path.join(hub.get_dir(), "checkpoints", os.path.basename(url))
    expected = _hash_in(os.path.basename(url))
    if not expected or not os.path.isfile(path):
        return
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    if not digest.hexdigest().startswith(expected):
        os.remove(path)


def _hash_in(filename):
    match = re.search(r"-([a-f0-9]{8,})\.", filename)
    return match.group(1) if match else None
