"""A user's Python function that returns a torch.nn.Module, as ``package.module:function``.

It is called with ``num_classes`` if it takes that. ``weights: random`` fills the network with seeded weights
like any other; ``weights: pretrained`` keeps those that the function has set.
"""

import importlib
import inspect
from typing import TYPE_CHECKING, Any, Optional, Union

from runner.errors import ModelUnavailable

if TYPE_CHECKING:
    import torch

NAMES = ()
DEEPEST = 8  # lists in lists of an output that are looked into


def native_px(name: str) -> int:
    return 224


def build(name: str, num_classes: int, pretrained: Union[bool, str]) -> "torch.nn.Module":
    """The network of a function, or the network that the name stands for; ModelUnavailable, in one line, where there is none to measure."""
    import torch

    module_name, _, function_name = name.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except Exception as error:  # a user's file may raise anything
        raise ModelUnavailable("%s: can't be imported: %s" % (name, _said(error)))
    model = function if isinstance(function, torch.nn.Module) else _call(name, function, num_classes)
    if not isinstance(model, torch.nn.Module):
        raise ModelUnavailable("%s: returned %s, not a torch.nn.Module" % (name, type(model).__name__))
    if isinstance(model, (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)):
        model = model.module
    for key, value in list(model.named_parameters()) + list(model.named_buffers()):
        if type(value).__name__.startswith("Uninitialized"):
            raise ModelUnavailable("%s: %s has no size yet; run one image through a lazy network before it is returned" % (name, key))
        if value.device.type == "meta":
            raise ModelUnavailable("%s: %s has no values (device meta); return the network on the CPU" % (name, key))
    if not all(isinstance(value, torch.Tensor) for value in model.state_dict().values()):
        raise ModelUnavailable("%s: holds packed weights, as a quantised network does; return it in float and ask for int8" % name)
    if not isinstance(model, torch.jit.ScriptModule):
        model.register_forward_hook(_first_output)
    return model.cpu().float()  # the cell's precision is set by the backend


def _call(name: str, function: Any, num_classes: int) -> Any:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        raise ModelUnavailable("%s: is %s, not a function that returns a network" % (name, type(function).__name__))
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [
        key for key, one in parameters.items() if one.default is inspect.Parameter.empty and one.kind not in kinds and key != "num_classes"
    ]
    if needed:
        raise ModelUnavailable(
            "%s: needs %s; it is called with num_classes alone, so give the others a default" % (name, ", ".join(needed))
        )
    try:
        return function(**({"num_classes": num_classes} if "num_classes" in parameters else {}))
    except Exception as error:  # a user's function may raise anything
        raise ModelUnavailable("%s: the function failed: %s" % (name, _said(error)))


def _first_output(module: "torch.nn.Module", _: Any, output: Any) -> "torch.Tensor":
    """What is measured and compared is one tensor: `logits` where the output names it, else the first, however deep it lies."""
    found = _tensor(output)
    if found is None:
        raise ModelUnavailable("its output is %s without a tensor in it" % type(output).__name__)
    if not found.dim():
        raise ModelUnavailable("its output is one number; it should be a row per image")
    return found


def _tensor(output: Any, depth: int = 0) -> "Optional[torch.Tensor]":
    import torch

    if isinstance(output, torch.Tensor):
        return output
    if depth > DEEPEST:
        return None
    named = output.get("logits") if isinstance(output, dict) else getattr(output, "logits", None)
    held = output if isinstance(output, dict) else getattr(output, "__dict__", {})
    values = list(output) if isinstance(output, (tuple, list)) else list(held.values())
    found = (_tensor(value, depth + 1) for value in [named] + values if value is not output)
    return next((value for value in found if value is not None), None)


def channels(model: "torch.nn.Module") -> int:
    """Channels of the image that the network takes: those of its first convolution."""
    import torch

    return next((module.in_channels for module in model.modules() if isinstance(module, torch.nn.Conv2d)), 3)


def _said(error: Exception) -> str:
    text = " ".join(str(error).split())
    return "%s: %s" % (type(error).__name__, text[:200]) if text else type(error).__name__
