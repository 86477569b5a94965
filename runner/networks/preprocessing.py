"""How an image becomes a network's input: each network's own published resize, crop, mean and standard deviation.

torchvision's are in a table, so that an image without torchvision (or with an old one) knows them too; timm's are its
own data configuration, kept with the network's files. What is unknown is prepared as ImageNet is evaluated: shorter side
to 256/224 of the input, centre crop. Small inputs, and CIFAR's images, are never cropped.
"""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Dict, Optional, Tuple

import numpy

from runner.networks.spec import ModelSpec

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CIFAR = {10: ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)), 100: ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))}
HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
SMALL_PX = 64  # up to here an input shows the whole image
INTERPOLATIONS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3}  # Pillow's numbers, the same in every release

# Of the first published weights (as runner.networks.sources.torchvision takes them), where it is not shorter side to 256/224 by bilinear interpolation:
# name: (shorter side, interpolation), valid at the network's native input size alone. Source: torchvision 0.28, meta of weights.
TORCHVISION = {
    "convnext_base": (232, "bilinear"), "convnext_large": (232, "bilinear"), "convnext_small": (230, "bilinear"), "convnext_tiny": (236, "bilinear"),
    "efficientnet_b0": (256, "bicubic"), "efficientnet_b1": (256, "bicubic"), "efficientnet_b2": (288, "bicubic"), "efficientnet_b3": (320, "bicubic"),
    "efficientnet_b4": (384, "bicubic"), "efficientnet_b5": (456, "bicubic"), "efficientnet_b6": (528, "bicubic"), "efficientnet_b7": (600, "bicubic"),
    "efficientnet_v2_l": (480, "bicubic"), "efficientnet_v2_m": (480, "bilinear"), "efficientnet_v2_s": (384, "bilinear"),
    "inception_v3": (342, "bilinear"), "maxvit_t": (224, "bicubic"), "mnasnet0_75": (232, "bilinear"), "mnasnet1_3": (232, "bilinear"),
    "regnet_y_128gf": (224, "bicubic"), "resnext101_64x4d": (232, "bilinear"), "shufflenet_v2_x1_5": (232, "bilinear"),
    "shufflenet_v2_x2_0": (232, "bilinear"), "swin_b": (238, "bicubic"), "swin_s": (246, "bicubic"), "swin_t": (232, "bicubic"),
    "swin_v2_b": (272, "bicubic"), "swin_v2_s": (260, "bicubic"), "swin_v2_t": (260, "bicubic"), "vit_h_14": (224, "bicubic"), "vit_l_16": (242, "bilinear"),
}  # fmt: skip
TORCHVISION_HALF = ("efficientnet_v2_l",)  # whose mean and standard deviation are 0.5


@dataclass(frozen=True)
class Preprocessing:
    """Resize (shorter side, or both where the ratio is not kept), centre crop to input_px, scale to 0..1, normalise per channel."""

    input_px: int
    resize_px: int
    keep_ratio: bool = True
    interpolation: str = "bilinear"
    mean: Tuple[float, ...] = IMAGENET[0]
    std: Tuple[float, ...] = IMAGENET[1]

    def as_dict(self) -> Dict[str, Any]:
        return json.loads(json.dumps(asdict(self)))  # lists, as they come back from a record

    def needs_pillow(self, size: Tuple[int, int]) -> bool:
        """Whether pixels of this (width, height) have to be resized."""
        return self._resized(size) != tuple(size)

    def resized_pixels(self, size: Tuple[int, int]) -> int:
        """Pixels of an image of this (width, height) when it has been resized: many for a long and narrow one."""
        width, height = self._resized(size)
        return width * height

    def _resized(self, size: Tuple[int, int]) -> Tuple[int, int]:
        if not self.keep_ratio:
            return self.resize_px, self.resize_px
        short = min(size)
        width, height = [self.resize_px if side == short else int(self.resize_px * side / short) for side in size]
        return width, height

    def __call__(self, image: Any) -> numpy.ndarray:
        """float32 (3, px, px) of a Pillow image, or of uint8 pixels (height, width, 3) that need no resizing."""
        if not isinstance(image, numpy.ndarray):
            size = self._resized(image.size)
            image = _of_8_bits(image).convert("RGB")
            if size != image.size:
                image = image.resize(size, INTERPOLATIONS[self.interpolation])
        pixels = numpy.asarray(image)
        top, left = [int(round((side - self.input_px) / 2.0)) for side in pixels.shape[:2]]
        pixels = pixels[top : top + self.input_px, left : left + self.input_px].astype(numpy.float32) / 255
        return ((pixels - numpy.array(self.mean, numpy.float32)) / numpy.array(self.std, numpy.float32)).transpose(2, 0, 1)


def _of_8_bits(image: Any) -> Any:
    """A Pillow image of 16 bits a pixel in 8, which Pillow's own conversion would clip to white; a ValueError where the range of its values isn't known."""
    if image.mode[:1] not in ("I", "F"):
        return image
    if not image.mode.startswith("I;16") and image.format not in ("PNG", "PPM"):
        raise ValueError("an image of mode %s has no known white" % image.mode)
    from PIL import Image

    return Image.fromarray((numpy.asarray(image).astype(numpy.int64) >> 8).clip(0, 255).astype(numpy.uint8))


def for_network(
    spec: ModelSpec, input_px: int, cifar: Optional[int] = None, data_config: Optional[Dict[str, Any]] = None, **changes: Any
) -> Preprocessing:
    """The Preprocessing of a network (ModelSpec) at an input size.

    cifar: 10 or 100 where the data are CIFAR's. data_config: the source's, as runner.networks.sources.data_config gives it. changes: what the user sets instead.
    """
    from runner.networks import sources

    source, bare = sources.source_of(spec.name)
    if cifar or input_px <= SMALL_PX:
        mean, std = CIFAR[cifar or 10]
        found = Preprocessing(input_px, input_px, False, "bilinear", mean, std)
    elif source == "timm" and data_config:
        found = _of_timm(data_config, input_px)
    elif source == "torchvision" and data_config and data_config["input_px"] == input_px:
        mean, std = tuple(data_config["mean"]), tuple(data_config["std"])
        found = Preprocessing(input_px, data_config["resize_px"], True, data_config["interpolation"], mean, std)
    elif source == "torchvision" and sources.native_px(spec.name) == input_px:
        resize_px, interpolation = TORCHVISION.get(bare, (int(input_px * 256 / 224), "bilinear"))
        mean, std = HALF if bare in TORCHVISION_HALF else IMAGENET
        found = Preprocessing(input_px, resize_px, True, interpolation, mean, std)
    else:
        found = Preprocessing(input_px, int(input_px * 256 / 224))
    changes = {name: tuple(value) if isinstance(value, list) else value for name, value in changes.items() if value is not None}
    return replace(found, **dict(changes, resize_px=max(input_px, changes.get("resize_px", found.resize_px))))


def _of_timm(config: Dict[str, Any], input_px: int) -> Preprocessing:
    """From timm's data configuration: the crop's share of the resized image, which may differ at the size for tests."""
    share = config.get("crop_pct") or 0.875
    if config.get("test_crop_pct") and tuple(config.get("test_input_size") or ())[-1:] == (input_px,):
        share = config["test_crop_pct"]
    interpolation = config["interpolation"] if config.get("interpolation") in INTERPOLATIONS else "bicubic"
    ratio = config.get("crop_mode") != "squash"
    mean, std = config.get("mean") or IMAGENET[0], config.get("std") or IMAGENET[1]
    return Preprocessing(input_px, int(input_px / share), ratio, interpolation, tuple(mean), tuple(std))
