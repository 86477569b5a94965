"""Any network of timm (PyTorch Image Models), 0.4 to 1.0, as ``timm:NAME``."""

import difflib
import inspect
from typing import TYPE_CHECKING, Any, Dict, Optional, Union

from runner.errors import ModelUnavailable
from runner.networks.checkpoints import checked_downloads

if TYPE_CHECKING:
    import torch

NAMES = ()  # timm has too many to list here: any name is taken, and looked up when it is built


DATA_CONFIG = ("input_size", "test_input_size", "interpolation", "crop_pct", "test_crop_pct", "crop_mode", "mean", "std")


def native_px(name: str) -> int:
    """Height of the input that timm names for the default weights, else 224."""
    return data_config(name).get("input_size", (3, 224, 224))[-1]


def weights_tag(name: str, pretrained: Union[bool, str]) -> Optional[str]:
    """The tag of the weights that build() loads: the one asked for, the name's own, or timm's default; None before timm 0.9."""
    timm = import_timm()
    if isinstance(pretrained, str) or "." in name:
        return pretrained if isinstance(pretrained, str) else name.partition(".")[2]
    find = getattr(timm.models, "get_pretrained_cfg", None)
    return getattr(find(name), "tag", None) if find else None


def tagged(name: str, pretrained: Union[bool, str]) -> str:
    """timm's own name of a network with certain weights: resnet50.a1_in1k."""
    return "%s.%s" % (name.partition(".")[0], pretrained) if isinstance(pretrained, str) else name


def data_config(name: str, pretrained: Union[bool, str] = False) -> Dict[str, Any]:
    """What timm says of the images that the published weights were evaluated on: those of DATA_CONFIG that it knows."""
    timm, name = import_timm(), tagged(name, pretrained)
    if hasattr(timm.models, "get_pretrained_cfg"):
        found = vars(timm.models.get_pretrained_cfg(name) or object)
    else:
        module = inspect.getmodule(timm.models.model_entrypoint(name)) if timm.models.is_model(name) else None
        found = getattr(module, "default_cfgs", {}).get(name, {})
    return {key: found[key] for key in DATA_CONFIG if found.get(key) is not None}


def build(name: str, num_classes: int, pretrained: Union[bool, str]) -> "torch.nn.Module":
    """``pretrained``: False, True for timm's default weights, or their tag. Raises ModelUnavailable."""
    timm = import_timm()
    if not timm.is_model(name.split(".")[0]):
        near = difflib.get_close_matches(name, timm.list_models(), n=1)
        raise ModelUnavailable(
            "timm:%s: timm %s has no such network%s" % (name, timm.__version__, "; did you mean timm:%s?" % near[0] if near else "")
        )
    if not pretrained:
        return timm.create_model(name, pretrained=False, num_classes=num_classes)
    if num_classes != 1000:
        raise ModelUnavailable(
            "timm:%s: pretrained weights come with their own classes; set `weights: random` or a checkpoint's path" % name
        )
    try:
        with checked_downloads():
            return timm.create_model(tagged(name, pretrained), pretrained=True)
    except Exception as error:  # the hub's client has its own kinds, by version
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelUnavailable("timm:%s: can't get the pretrained weights (%s); set `weights: random` to measure without" % (name, reason))


def import_timm() -> Any:
    """timm, after torchvision, which it imports. Raises ModelUnavailable."""
    from runner.networks.sources.torchvision import import_torchvision

    import_torchvision()
    try:
        import timm
        import timm.models
    except ImportError as error:
        raise ModelUnavailable("timm can't be imported here: %s" % str(error).splitlines()[0])
    return timm
