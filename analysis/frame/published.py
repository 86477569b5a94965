"""Accuracies published with pretrained weights, as the catalogue has them."""

import functools

from analysis.data import catalogue


@functools.cache
def _best() -> dict[tuple[str, float], tuple[float, float, str]]:
    """(Top-1, Top-5, where from) by network and input size: of the weights that their library calls its default, else of the most accurate."""
    rows = catalogue.load().weights.sort_values(["default", "top1"])
    return {(row.model, int(row.input_px)): (float(row.top1), float(row.top5), f"{row.weights}, {row.source}") for row in rows.itertuples()}


def accuracy(model: str, input_px: float) -> tuple[float, float, str] | None:
    """(Top-1, Top-5, where from) of a network at that input size; None where nothing is published at that size.

    A value published at another input size belongs to another graph. A name without `timm:` that torchvision doesn't have is timm's.
    """
    source, _, name = str(model).rpartition(":")
    names = {"": (name, f"timm:{name}"), "timm": (f"timm:{name.partition('.')[0]}",), "torchvision": (name,), "hardnet": (name,)}.get(
        source, ()
    )
    return next((_best()[key] for one in names if (key := (one, input_px)) in _best()), None)
