"""Networks by name, ready for inference.

A name is ``source:bare``, and each source is a module of this folder. The names that a source lists in
``NAMES`` need no prefix (resnet18, hardnet68); ``package.module:function`` is a user's own function.
Asking about names imports no framework; ``build`` does.
"""

import difflib
import importlib
import pkgutil
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

from runner.errors import ModelUnavailable
from runner.networks.spec import ModelSpec

if TYPE_CHECKING:
    import torch

MODULES = sorted(module.name for module in pkgutil.iter_modules(__path__))


def modules() -> Dict[str, Any]:
    """Every source by its name, imported (which imports no framework)."""
    return {name: importlib.import_module("%s.%s" % (__name__, name)) for name in MODULES}


def names() -> List[str]:
    """Every name that needs no prefix."""
    return sorted(name for source in modules().values() for name in source.NAMES)


def source_of(name: str) -> Tuple[Optional[str], str]:
    """(source, bare name); the source of ``package.module:function`` is ``function``; None for an unknown name."""
    prefix, colon, rest = name.partition(":")
    if colon and prefix in MODULES and prefix != "function":
        return (prefix, rest) if rest else (None, name)
    for source, module in modules().items():
        if name in module.NAMES:
            return source, name
    parts = prefix.split(".") + [rest]
    if colon and all(part.isidentifier() for part in parts):
        return "function", name
    return None, name


def known(name: str) -> bool:
    """Whether some source takes this name; whether timm, a file or a function has the network is seen when it is built."""
    source, bare = source_of(name)
    return source is not None and (not modules()[source].NAMES or bare in modules()[source].NAMES)


def suggest(name: str) -> Optional[str]:
    """The known name that an unknown one was probably meant to be, or None."""
    matches = difflib.get_close_matches(name.lower().replace("-", "_"), names(), n=1, cutoff=0.6)
    return matches[0] if matches else None


def native_px(name: str) -> int:
    """Height and width of the input that the network was designed for."""
    _, module, bare = _found(name)
    return module.native_px(bare)


def has_data_config(spec: ModelSpec) -> bool:
    """Whether the source says itself how images are prepared for the network: timm always, torchvision of the weights that a tag names."""
    source, _ = source_of(spec.name)
    return source == "timm" or (source == "torchvision" and isinstance(spec.published, str))


def data_config(spec: ModelSpec) -> Optional[Dict[str, Any]]:
    """How images are prepared for the network, as its source says; None where it doesn't."""
    _, module, bare = _found(spec.name)
    return module.data_config(bare, spec.published) if has_data_config(spec) else None


def weights_tag(spec: ModelSpec) -> Optional[str]:
    """The tag of the published weights that are loaded, None for all others."""
    _, module, bare = _found(spec.name)
    find = getattr(module, "weights_tag", None)
    return find(bare, spec.published) if find and spec.published else None


def build(spec: ModelSpec, seed: int) -> "torch.nn.Module":
    """The network in eval mode on the CPU, with its final weights; raises ModelUnavailable."""
    from runner.networks import weights

    source, module, bare = _found(spec.name)
    if isinstance(spec.published, str) and not hasattr(module, "weights_tag"):
        raise ModelUnavailable(
            "%s: has no published weights called %s; set `weights: random` or a checkpoint's path" % (spec.name, spec.weights)
        )
    if spec.published:
        model = module.build(bare, num_classes=spec.num_classes, pretrained=spec.published)
    else:
        with weights.no_initialisation():
            model = module.build(bare, num_classes=spec.num_classes, pretrained=False)
        if spec.is_random:
            try:
                weights.randomise(model, seed, spec.input_px or module.native_px(bare), channels(spec.name, model))
            except Exception as error:
                raise misfit(spec.name, error, spec.input_px or module.native_px(bare))
        else:
            weights.load_checkpoint(model, spec.weights)
    return model.eval()


def misfit(name: str, error: Exception, input_px: int) -> Exception:
    """What to raise where a network's pass over images of ``input_px`` raised ``error``: a ModelUnavailable, or the error itself."""
    if isinstance(error, ModelUnavailable):  # of ours, and so in words
        return ModelUnavailable("%s: %s" % (name, error)) if not str(error).startswith(name) else error
    if isinstance(error, MemoryError) or "alloc" in str(error):
        return error
    size = "given a float image of %d px (`input_px` sets another size)" % input_px
    if source_of(name)[0] == "function":
        return modules()["function"].fault(name, "its forward", error, ", " + size)
    if isinstance(error, (RuntimeError, AssertionError, ValueError)):
        return ModelUnavailable("%s: takes no image of %d px; set another `input_px`" % (name, input_px))
    return error


def channels(name: str, model: "torch.nn.Module") -> int:
    """Channels of the image that a built network takes."""
    return modules()["function"].channels(model) if source_of(name)[0] == "function" else 3


def output(name: str, model: "torch.nn.Module") -> Optional[str]:
    """Which tensor of its output is measured, of a user's network that returns several; None for all others."""
    return modules()["function"].output(model) if source_of(name)[0] == "function" else None


def preload() -> None:
    """Import what the sources need to build networks, so that each forked process finds it imported."""
    for module in modules().values():
        getattr(module, "preload", lambda: None)()


def _found(name: str) -> Tuple[str, Any, str]:
    """(source, its module, bare name); raises ModelUnavailable for a name that no source has."""
    source, bare = source_of(name)
    if source is None:
        match = suggest(name)
        raise ModelUnavailable("%s: no such network%s" % (name, "; did you mean %s?" % match if match else ""))
    return source, modules()[source], bare
