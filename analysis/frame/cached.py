"""What is derived from one frame again and again (its ranked cells, an analysis that a table, a sentence and a figure share), kept while a report is written.

Outside `keeping` nothing is kept: a notebook that changes its frame in place never sees an old answer.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pandas as pd

Result = TypeVar("Result")
_kept: dict[tuple[Any, ...], tuple[pd.DataFrame, Any]] | None = None


@contextmanager
def keeping() -> Iterator[None]:
    """Keep the results of functions marked `once`, per frame object; frames and results must not be changed meanwhile. Forked workers inherit it."""
    global _kept
    before, _kept = _kept, {} if _kept is None else _kept
    try:
        yield
    finally:
        _kept = before


def computed_once(function: Callable[..., Result]) -> Callable[..., Result]:
    """A function of a frame (and of further arguments that can be hashed) whose result is kept within `keeping`."""

    @functools.wraps(function)
    def wrapper(frame: pd.DataFrame, *arguments: Any) -> Result:
        if _kept is None:
            return function(frame, *arguments)
        key = (function, id(frame), *arguments)
        if key not in _kept:
            _kept[key] = (frame, function(frame, *arguments))  # holding the frame keeps its id from being given to another
        found: Result = _kept[key][1]
        return found

    return wrapper
