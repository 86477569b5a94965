"""A network as the matrix names it."""

import os
import re
from dataclasses import dataclass
from typing import Optional, Union

TAG = re.compile(r"^[A-Za-z][A-Za-z0-9_]*$")


@dataclass(frozen=True)
class ModelSpec:
    """A network as the matrix names it.

    ``weights`` is random, pretrained, the tag of published weights (IMAGENET1K_V2, timm's a1_in1k), or the path of a checkpoint.
    """

    name: str
    weights: str = "random"
    num_classes: int = 1000
    label: Optional[str] = None  # what the record calls it, where that is not the name
    input_px: Optional[int] = None

    @property
    def title(self) -> str:
        """What records and tables call it."""
        return self.label or self.name

    @property
    def is_random(self) -> bool:
        return self.weights == "random"

    @property
    def is_checkpoint(self) -> bool:
        """The weights are a user's file. A word without a dot and a slash is a tag, unless there is a file of that name."""
        return not self.is_random and (not TAG.match(self.weights) or os.path.exists(self.weights))

    @property
    def published(self) -> Union[bool, str]:
        """What a source is asked for: False, True for the weights that it publishes first, or a tag."""
        if self.is_random or self.is_checkpoint:
            return False
        return True if self.weights == "pretrained" else self.weights
