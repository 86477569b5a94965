"""A network of eleven layers that ships with the runner, so that it can prove itself with no network and no download."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def network(num_classes: int = 1000) -> "torch.nn.Module":
    """A torch.nn.Module for 32 px images: convolutions (dense, grouped, 1x1), normalisation, pooling, linear."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU6(),
        nn.Conv2d(16, 16, 3, padding=1, groups=16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, num_classes),
    )
