"""Accuracies published with pretrained weights, as the catalogue has them. Each belongs to a tag of weights and to an input size."""

import functools

import pandas as pd

from analysis.data import catalogue
from runner.networks.sources.torchvision import FIRST

COLUMNS = ("source", "model", "input_px", "precision", "weights", "weights_tag", "parity_max_rel")  # of the frame, as for_row() takes them
FLOATS = ("fp32", "tf32")  # formats in which a published value holds as it is
PARITY_LIMIT = 0.1  # largest relative difference of outputs up to which it holds for fp16 and bf16 too


@functools.cache
def table() -> pd.DataFrame:
    """The catalogue's weights, with `model` as its library calls it and `is_timm`: one row per set of weights and input size."""
    weights = catalogue.load().weights
    return weights.assign(model=weights["model"].str.removeprefix("timm:"), is_timm=weights["model"].str.startswith("timm:"))


@functools.cache
def accuracy(model: str, input_px: int, tag: str | None = None) -> tuple[float, float, str] | None:
    """(Top-1, Top-5, weights and where from) of a network with the weights of a tag at that input size; None where nothing is published of them.

    Without a tag: of the weights that `pretrained` loads, torchvision's first published and timm's default, else of the most accurate at that size. A time serves every tag of
    the same graph and size, so a network with random weights has a value too; one at another input size belongs to another graph.
    """
    rows = table()
    rows = rows[rows["model"] == model.split(":")[-1].split(".")[0]]
    if model.startswith("timm:"):
        rows = rows[rows["is_timm"]]
        tag = tag or model.partition(".")[2] or None
    elif not rows["is_timm"].all():  # a name that both have is torchvision's
        rows = rows[~rows["is_timm"]]
    rows = rows[rows["input_px"] == input_px]
    if tag:
        rows = rows[rows["weights"] == tag]
    if rows.empty:
        return None
    first = rows["weights"].map({name: place for place, name in enumerate(FIRST)}).fillna(len(FIRST))
    best = rows.assign(first=first).sort_values(["first", "default", "top1"], ascending=[True, False, False]).iloc[0]
    return float(best["top1"]), float(best["top5"]), f"{best['weights']}, {best['source']}"


def agrees(parity_max_rel: pd.Series) -> pd.Series:
    """Whether outputs were compared with fp32's and are so like them that a published value holds."""
    return pd.to_numeric(parity_max_rel, errors="coerce").le(PARITY_LIMIT)


def for_row(
    source: str, model: str, input_px: float, precision: str, weights: str | None, tag: str | None, parity_max_rel: float | None
) -> tuple[float, float, str] | None:
    """What is published for a row of the frame, with the weights that it ran, or any of its graph where they were random.

    None for a user's own weights; for int8, whose rounding costs accuracy that only counting tells; and for fp16 and bf16 unless their outputs were
    compared with fp32's and agree, which is said.
    """
    if precision == "int8" or not isinstance(model, str) or not input_px > 0:
        return None
    tag = tag if isinstance(tag, str) else None
    if isinstance(weights, str) and weights not in ("random", "pretrained") and not tag:
        return None
    found = accuracy(model, int(input_px), tag)
    if found is None or precision in FLOATS or source != "records":
        return found
    agrees = parity_max_rel is not None and parity_max_rel <= PARITY_LIMIT
    return (*found[:2], f"{found[2]}; {precision} with passed parity") if agrees else None
