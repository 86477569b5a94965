"""A user's Python function that returns a torch.nn.Module, as ``package.module:function``.

It is called with ``num_classes`` if it takes that. ``weights: random`` fills the network with seeded weights
like any other; ``weights: pretrained`` keeps those that the function has set.
"""

import importlib
import inspect

from runner.errors import ModelUnavailable

NAMES = ()


def native_px(name):
    return 224


def build(name, num_classes, pretrained):
    import torch

    module_name, _, function_name = name.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError) as error:
        raise ModelUnavailable("%s: can't be imported: %s" % (name, str(error).splitlines()[0]))
    options = {"num_classes": num_classes} if "num_classes" in inspect.signature(function).parameters else {}
    model = function(**options)
    if not isinstance(model, torch.nn.Module):
        raise ModelUnavailable("%s: returned %s, not a torch.nn.Module" % (name, type(model).__name__))
    return model
