"""Accuracies published with pretrained weights (data/published.csv)."""

import functools
from pathlib import Path

import pandas as pd

TABLE = Path(__file__).parents[1] / "data" / "published.csv"


@functools.cache
def table() -> pd.DataFrame:
    """model, weights, default, top1 and top5 in percent, params_m, input_px, source: one row per set of weights."""
    return pd.read_csv(TABLE)


@functools.cache
def accuracy(model: str, input_px: int) -> tuple[float, float, str] | None:
    """(Top-1, Top-5, where from) of a network at that input size; None where nothing is published at that size.

    The weights that the library calls its default win; a value published at another input size belongs to another graph.
    """
    rows = table()
    rows = rows[(rows["model"] == model.split(":")[-1]) & (rows["input_px"] == input_px)]
    if rows.empty:
        return None
    best = rows.sort_values(["default", "top1"]).iloc[-1]
    return float(best["top1"]), float(best["top5"]), f"{best['weights']}, {best['source']}"
