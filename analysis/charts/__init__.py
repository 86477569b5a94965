"""Charts: `draw(frame, style)` returns a figure, `explain(frame)` one sentence made from the numbers. One file each."""

import sys
from types import ModuleType

from analysis import registry


def names() -> list[str]:
    """Names of all charts in this folder."""
    return registry.names(sys.modules[__name__])


def load(name: str) -> ModuleType:
    """The module of that name."""
    return registry.load(sys.modules[__name__], name)
