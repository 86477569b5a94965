"""HarDNet (Chao et al. 2019, "HarDNet: A Low Memory Traffic Network", arXiv 1909.00948), written from the paper.

A harmonic dense block links layer l to layer l - 2**n for every 2**n that divides l, which leaves few
feature maps to be read from memory. A layer that many others read is made wider, by ``m`` for every power of two
in its index. A block outputs its odd layers and its last one. The ``ds`` networks are depthwise separable.
"""

from typing import TYPE_CHECKING, Any, Dict, List, Union

if TYPE_CHECKING:
    import torch

NAMES = ("hardnet39ds", "hardnet68", "hardnet68ds", "hardnet85")

# The designs of the paper: stem channels, channels after each block, growth rate k and layers of each block, after which ones to halve, m.
LARGE: Dict[str, Any] = {
    "m": 1.7,
    "stem": (32, 64),
    "channels": (128, 256, 320, 640, 1024),
    "growth": (14, 16, 20, 40, 160),
    "layers": (8, 16, 16, 16, 4),
    "halve": (1, 0, 1, 1, 0),
}
DESIGNS: Dict[str, Dict[str, Any]] = {
    "hardnet39ds": {
        "m": 1.6,
        "stem": (24, 48),
        "channels": (96, 320, 640, 1024),
        "growth": (16, 20, 64, 160),
        "layers": (4, 16, 8, 4),
        "halve": (1, 1, 1, 0),
        "dropout": 0.05,
    },
    "hardnet68": dict(LARGE, dropout=0.1),
    "hardnet68ds": dict(LARGE, dropout=0.05),
    "hardnet85": {
        "m": 1.7,
        "stem": (48, 96),
        "channels": (192, 256, 320, 480, 720, 1280),
        "growth": (24, 24, 28, 36, 48, 256),
        "layers": (8, 16, 16, 16, 16, 4),
        "halve": (1, 0, 1, 0, 1, 0),
        "dropout": 0.2,
    },
}


def native_px(name: str) -> int:
    return 224


def links(layer: int) -> List[int]:
    """Earlier layers that ``layer`` (from 1) reads; 0 is the block's input."""
    return [layer - 2**n for n in range(layer.bit_length()) if layer % 2**n == 0]


def width(layer: int, growth: int, m: float) -> int:
    """Channels of ``layer`` (from 1), rounded to an even number."""
    exact = float(growth)
    for _ in links(layer)[1:]:
        exact *= m
    return int(int(exact + 1) / 2) * 2


def build(name: str, num_classes: int, pretrained: Union[bool, str]) -> "torch.nn.Module":
    """The network of a name; ModelUnavailable for published weights."""
    from torch import nn

    from runner.errors import ModelUnavailable

    if pretrained:
        raise ModelUnavailable("%s: Dyno can't fetch published weights for it; set `weights: random` or a checkpoint's path" % name)
    separable, design = name.endswith("ds"), DESIGNS[name]
    parts = [convolution(3, design["stem"][0], 3, stride=2), convolution(design["stem"][0], design["stem"][1], 1 if separable else 3)]
    channels = design["stem"][1]
    parts.append(depthwise(channels, 2) if separable else nn.MaxPool2d(3, 2, 1))
    for out, growth, layers, halve in zip(design["channels"], design["growth"], design["layers"], design["halve"]):
        block = _block_class()(channels, growth, design["m"], layers, separable)
        parts += [block, convolution(block.out_channels, out, 1)]
        channels = out
        if halve:
            parts.append(depthwise(channels, 2) if separable else nn.MaxPool2d(2, 2))
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(design["dropout"]), nn.Linear(channels, num_classes))


def convolution(channels: int, out: int, kernel: int, stride: int = 1) -> "torch.nn.Module":
    """Convolution, batch normalisation, ReLU6."""
    from torch import nn

    return nn.Sequential(nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(out), nn.ReLU6(inplace=True))


def depthwise(channels: int, stride: int) -> "torch.nn.Module":
    """A 3x3 convolution of each channel by itself, batch normalisation."""
    from torch import nn

    return nn.Sequential(nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False), nn.BatchNorm2d(channels))


def _block_class() -> Any:
    """The block's class, made on first use: this module is read where there is no torch."""
    import torch
    from torch import nn

    class HarmonicDenseBlock(nn.Module):
        def __init__(self, channels: int, growth: int, m: float, layers: int, separable: bool) -> None:
            super().__init__()
            widths = [channels] + [width(layer, growth, m) for layer in range(1, layers + 1)]
            self.layers = nn.ModuleList()
            for layer in range(1, layers + 1):
                read = sum(widths[link] for link in links(layer))
                if separable:
                    self.layers.append(nn.Sequential(convolution(read, widths[layer], 1), depthwise(widths[layer], 1)))
                else:
                    self.layers.append(convolution(read, widths[layer], 3))
            self.kept = [layer for layer in range(1, layers + 1) if layer % 2 or layer == layers]
            self.out_channels = sum(widths[layer] for layer in self.kept)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            maps = [x]
            for layer, convolve in enumerate(self.layers, 1):
                read = [maps[link] for link in links(layer)]
                maps.append(convolve(torch.cat(read, 1) if len(read) > 1 else read[0]))
            return torch.cat([maps[layer] for layer in self.kept], 1)

    return HarmonicDenseBlock
