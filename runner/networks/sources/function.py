"""A user's Python function that returns a torch.nn.Module, as ``package.module:function``.

It is called with ``num_classes`` if it takes that. ``weights: random`` fills the network with seeded weights
like any other; ``weights: pretrained`` keeps those that the function has set.

What the user's code raises is told by its kind and place. Its text may be anything, of any length: a run keeps it in the log.
"""

import difflib
import importlib
import inspect
import os
import re
import sys
import sysconfig
import traceback
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

    function = _function(name)
    model = function if isinstance(function, torch.nn.Module) else _call(name, function, num_classes)
    if not isinstance(model, torch.nn.Module):
        raise ModelUnavailable("%s: returned %s, not a torch.nn.Module" % (name, type(model).__name__))
    if isinstance(model, (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)):
        model = model.module
    model = getattr(model, "_orig_mod", model)  # of torch.compile: whether to compile is the backend's matter
    for key, value in list(model.named_parameters()) + list(model.named_buffers()):
        if type(value).__name__.startswith("Uninitialized"):
            raise ModelUnavailable("%s: %s has no size yet; run one image through a lazy network before it is returned" % (name, key))
        if value.device.type == "meta":
            raise ModelUnavailable("%s: %s has no values (device meta); return the network on the CPU" % (name, key))
    if not all(isinstance(value, torch.Tensor) for value in model.state_dict().values()):
        raise ModelUnavailable("%s: holds packed weights, as a quantised network does; return it in float and ask for int8" % name)
    if not isinstance(model, torch.jit.ScriptModule):
        model.register_forward_hook(OneOutput())
    return model.cpu().float()  # the cell's precision is set by the backend


def look_here() -> None:
    """Let modules be found in the current folder, where `python -m` looks and a console script doesn't: last, so that it hides nothing."""
    try:
        here = os.getcwd()
    except OSError:  # it has been removed
        return
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)


def _function(name: str) -> Any:
    module_name, _, function_name = name.partition(":")
    look_here()
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name + ".").startswith(error.name + "."):
            raise ModelUnavailable(
                "%s: can't be imported: there is no %s.py here; add its folder to PYTHONPATH" % (name, error.name.replace(".", "/"))
            )
        raise ModelUnavailable("%s: can't be imported: it needs %s, which is not installed here" % (name, error.name))
    except (Exception, SystemExit) as error:  # a user's file may raise anything, and may read the command line
        raise fault(name, "can't be imported: %s" % module_name, error)
    try:
        return getattr(module, function_name)
    except (Exception, SystemExit):  # a module may have a __getattr__
        near = difflib.get_close_matches(function_name, [word for word in dir(module) if not word.startswith("_")], n=1)
        raise ModelUnavailable(
            "%s: can't be imported: %s has no %s%s" % (name, module_name, function_name, "; did you mean %s?" % near[0] if near else "")
        )


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
    except (Exception, SystemExit) as error:  # a user's function may raise anything
        raise fault(name, "the function", error)


class OneOutput:
    """A forward hook: what is measured and compared is one tensor, `logits` where the output names it, else the first, however deep it lies.

    ``taken`` says which one it was; None for a network that returns a tensor.
    """

    taken: Optional[str] = None

    def __call__(self, module: "torch.nn.Module", _: Any, output: Any) -> "torch.Tensor":
        found, kind = _tensor(output), type(output).__name__
        if found is None:
            raise ModelUnavailable("its output is %s without a tensor in it" % kind)
        if not found.dim():
            raise ModelUnavailable("its output is one number; it should be a row per image")
        if found is not output:
            self.taken = "%s of %s" % ("logits" if found is _logits(output) else "first tensor", kind)
        return found


def output(model: "torch.nn.Module") -> Optional[str]:
    """Which tensor of its output a network of ``build`` was reduced to when it last ran; None for one that returns a tensor."""
    return next((hook.taken for hook in model._forward_hooks.values() if isinstance(hook, OneOutput)), None)


def _logits(output: Any) -> Any:
    return output.get("logits") if isinstance(output, dict) else getattr(output, "logits", None)


def _tensor(output: Any, depth: int = 0) -> "Optional[torch.Tensor]":
    import torch

    if isinstance(output, torch.Tensor):
        return output
    if depth > DEEPEST:
        return None
    held = output if isinstance(output, dict) else getattr(output, "__dict__", {})
    values = list(output) if isinstance(output, (tuple, list)) else list(held.values())
    found = (_tensor(value, depth + 1) for value in [_logits(output)] + values if value is not output)
    return next((value for value in found if value is not None), None)


def channels(model: "torch.nn.Module") -> int:
    """Channels of the image that the network takes: those of its first convolution."""
    import torch

    return next((module.in_channels for module in model.modules() if isinstance(module, torch.nn.Conv2d)), 3)


def fault(name: str, what: str, error: BaseException, more: str = "") -> ModelUnavailable:
    """What to say of an exception in a user's code: its kind and its line; ``what`` raised it."""
    return ModelUnavailable("%s: %s raised %s%s%s" % (name, what, _kind(error), _place(error), more))


def _kind(error: BaseException) -> str:
    kind = type(error).__name__
    return kind if re.match(r"^[A-Za-z_][A-Za-z0-9_]{0,60}$", kind) else "an exception"


def _place(error: BaseException) -> str:
    """ " at line 12 of nets.py": the last line of the user's own on the way to the error; empty where there is none."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return " at line %d of %s" % (error.lineno, os.path.basename(error.filename))
    ours = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep
    theirs = (ours, sysconfig.get_paths()["stdlib"] + os.sep, "<")
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame[0].startswith(theirs) and not re.search(r"[/\\](site|dist)-packages[/\\]", frame[0])]
    return " at line %d of %s" % (own[-1][1], os.path.basename(own[-1][0])) if own else ""
