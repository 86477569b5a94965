"""What is derived from one frame again and again (its ranked cells, an analysis that a table, a sentence and a figure share), kept while a report is written.

Outside `keeping` nothing is kept: a notebook that changes its frame in place never sees an old answer.
"""

import functools
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pandas as pd

Result = TypeVar("Result")
_kept: dict[tuple[Any, ...], tuple[Any, Any]] | None = None  # (a weak reference to the frame, the result)


@contextmanager
def keeping() -> Iterator[None]:
    """Keep the results of functions marked `computed_once` as long as the frame object lives; frames and results must not be changed meanwhile. Forked workers inherit it."""
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
        kept = _kept
        if kept is None:
            return function(frame, *arguments)
        key = (function, id(frame), *arguments)
        if key not in kept:
            # A result goes with its frame, before the id is given to another: what was picked from a frame in passing is asked for once only.
            kept[key] = (weakref.ref(frame, lambda _: kept.pop(key, None)), function(frame, *arguments))
        found: Result = kept[key][1]
        return found

    return wrapper


def computed_last(function: Callable[..., Result]) -> Callable[..., Result]:
    """As `computed_once`, for what is asked part by part: only the latest result is kept, and with an earlier one goes what was derived from it."""
    once = computed_once(function)

    @functools.wraps(function)
    def wrapper(frame: pd.DataFrame, *arguments: Any) -> Result:
        kept = _kept or {}
        for key in [key for key in kept if key[0] is function and key[1:] != (id(frame), *arguments)]:
            kept.pop(key, None)
        return once(frame, *arguments)

    return wrapper
