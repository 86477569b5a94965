"""A network as the matrix names it."""

from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class ModelSpec:
    """A network as the matrix names it. ``weights`` is random, pretrained or the path of a checkpoint."""

    name: str
    weights: str = "random"
    num_classes: int = 1000
    label: Optional[str] = None  # what the record calls it, where that is not the name
    input_px: Optional[int] = None

    @property
    def title(self):
        return self.label or self.name
