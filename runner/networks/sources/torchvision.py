"""torchvision's classification networks, from 0.10 (``pretrained=``) to today's (``weights=``)."""

import inspect
from types import ModuleType
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Union

from runner.errors import ModelUnavailable
from runner.networks.checkpoints import checked_downloads, drop_broken_download

if TYPE_CHECKING:
    import torch

NAMES = tuple(
    """
    alexnet convnext_base convnext_large convnext_small convnext_tiny densenet121 densenet161 densenet169 densenet201
    efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_b5 efficientnet_b6 efficientnet_b7
    efficientnet_v2_l efficientnet_v2_m efficientnet_v2_s googlenet inception_v3 maxvit_t mnasnet0_5 mnasnet0_75 mnasnet1_0
    mnasnet1_3 mobilenet_v2 mobilenet_v3_large mobilenet_v3_small regnet_x_16gf regnet_x_1_6gf regnet_x_32gf regnet_x_3_2gf
    regnet_x_400mf regnet_x_800mf regnet_x_8gf regnet_y_128gf regnet_y_16gf regnet_y_1_6gf regnet_y_32gf regnet_y_3_2gf
    regnet_y_400mf regnet_y_800mf regnet_y_8gf resnet101 resnet152 resnet18 resnet34 resnet50 resnext101_32x8d resnext101_64x4d
    resnext50_32x4d shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x1_5 shufflenet_v2_x2_0 squeezenet1_0 squeezenet1_1
    swin_b swin_s swin_t swin_v2_b swin_v2_s swin_v2_t vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn
    vit_b_16 vit_b_32 vit_h_14 vit_l_16 vit_l_32 wide_resnet101_2 wide_resnet50_2
    """.split()
)

# What the first published weights of each were evaluated at, where it is not 224.
NATIVE_PX = {
    "inception_v3": 299,
    "efficientnet_b1": 240,
    "efficientnet_b2": 288,
    "efficientnet_b3": 300,
    "efficientnet_b4": 380,
    "efficientnet_b5": 456,
    "efficientnet_b6": 528,
    "efficientnet_b7": 600,
    "efficientnet_v2_s": 384,
    "efficientnet_v2_m": 480,
    "efficientnet_v2_l": 480,
    "swin_v2_t": 256,
    "swin_v2_s": 256,
    "swin_v2_b": 256,
}


def native_px(name: str) -> int:
    return NATIVE_PX.get(name, 224)


def preload() -> None:
    try:
        import_torchvision()
    except ModelUnavailable:
        pass  # building a network says so


def build(name: str, num_classes: int, pretrained: Union[bool, str]) -> "torch.nn.Module":
    """``pretrained``: False, True for the weights published first, or their tag (IMAGENET1K_V2)."""
    torchvision = import_torchvision()
    function = getattr(torchvision.models, name, None)
    if function is None:
        raise ModelUnavailable("torchvision %s has no %s" % (torchvision.__version__.split("+")[0], name))
    if pretrained:
        return _without_aux(_pretrained(torchvision, function, name, num_classes, pretrained))
    options = {"num_classes": num_classes}
    if name in ("googlenet", "inception_v3"):
        options.update(init_weights=False, aux_logits=False)
    return function(**options)


FIRST = (
    "IMAGENET1K_V1",
    "IMAGENET1K_SWAG_LINEAR_V1",
)  # the first published weights: those that every torchvision has, and that the studies used


def weights_tag(name: str, pretrained: Union[bool, str]) -> str:
    """The tag of the weights that build() loads."""
    published = _published(import_torchvision(), name)
    return pretrained if isinstance(pretrained, str) else next((tag for tag in FIRST if tag in published), FIRST[0])


def data_config(name: str, pretrained: Union[bool, str]) -> Optional[Dict[str, Any]]:
    """How the images are prepared on which the weights of a tag were evaluated."""
    published = _published(import_torchvision(), name)
    tag = weights_tag(name, pretrained)
    if tag not in published:
        return None
    transforms = published[tag].transforms()
    return {
        "input_px": transforms.crop_size[0],
        "resize_px": transforms.resize_size[0],
        "interpolation": transforms.interpolation.value,
        "mean": list(transforms.mean),
        "std": list(transforms.std),
    }


def _published(torchvision: Any, name: str) -> Dict[str, Any]:
    """{tag: weights}, empty before torchvision 0.13."""
    find = getattr(torchvision.models, "get_model_weights", None)
    return {choice.name: choice for choice in find(name)} if find else {}


def _pretrained(
    torchvision: Any, function: Callable[..., Any], name: str, num_classes: int, pretrained: Union[bool, str]
) -> "torch.nn.Module":
    if num_classes != 1000:
        raise ModelUnavailable(
            "%s: the pretrained weights are for 1000 classes, not %d; set `weights: random` or a checkpoint's path" % (name, num_classes)
        )
    tag, published = weights_tag(name, pretrained), _published(torchvision, name)
    if tag not in (published or FIRST[:1]):
        version = torchvision.__version__.split("+")[0]
        raise ModelUnavailable(
            "%s: torchvision %s has no weights called %s; choose from random, pretrained, %s, or give a checkpoint's path"
            % (name, version, tag, ", ".join(sorted(published) or FIRST[:1]))
        )
    if published:
        url, options = published[tag].url, {"weights": published[tag]}
    else:
        url = getattr(inspect.getmodule(function), "model_urls", {}).get(name)
        options = {"pretrained": True}
        if not url:
            raise ModelUnavailable("%s: torchvision %s publishes no weights; set `weights: random`" % (name, torchvision.__version__))
    drop_broken_download(url)
    try:
        with checked_downloads():
            return function(**options)
    except (OSError, RuntimeError, ValueError, NotImplementedError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelUnavailable(
            "%s: can't get the pretrained weights from %s (%s); set `weights: random` to measure without" % (name, url, reason)
        )


def _without_aux(model: Any) -> "torch.nn.Module":
    """Auxiliary heads serve training alone: never timed, never counted."""
    for head in ("aux1", "aux2", "AuxLogits"):
        if getattr(model, head, None) is not None:
            setattr(model, head, None)
    if hasattr(model, "aux_logits"):
        model.aux_logits = False
    return model


def import_torchvision() -> Any:
    """torchvision, also where its compiled operators don't load (its CUDA build beside a CPU torch).

    Importing it then dies with "operator torchvision::nms does not exist", for want of two detection
    operators that no classification network uses. Declaring them is enough; where the library does load,
    declaring them would abort the process, so try to load it first, as torchvision itself does.
    """
    import importlib.util
    import pathlib
    import sys

    import torch

    if "torchvision" not in sys.modules and hasattr(torch, "library"):
        spec = importlib.util.find_spec("torchvision")
        if spec is None or spec.origin is None:
            raise ModelUnavailable("torchvision is not installed here")
        if not any(_loads(torch, str(path)) for path in pathlib.Path(spec.origin).parent.glob("_C.*")):
            _declare_operators(torch)
    try:
        import torchvision
    except ImportError as error:
        raise ModelUnavailable("torchvision can't be imported: %s" % str(error).splitlines()[0])
    return torchvision


_declared: List[Any] = []  # a torch.library.Library withdraws its operators when it is collected


def _loads(torch: ModuleType, path: str) -> bool:
    try:
        torch.ops.load_library(path)
    except OSError:  # a library that it needs (CUDA's) is missing
        return False
    return True


def _declare_operators(torch: ModuleType) -> None:
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)
