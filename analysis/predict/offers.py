"""Which published weights a measured time serves: the one rule by which `recommend`, the page and the terminal name a network's Top-1."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.frame import published
from analysis.predict import candidates
from analysis.predict.tables import untagged

HALF = ("fp16", "bf16")  # a published Top-1 holds for them where their outputs agree with fp32's
COUNTED = ("int8",)  # and for these only what was counted holds
COLUMNS = (
    "model",
    "input_px",
    "precision",
    "weights",
    "weights_tag",
    "accuracy_source",
    "source",
    "top1",
)  # of the frame, as `served` takes them
ADDED = (
    "terms",
    "weights_of",
)  # columns that `best_weights` adds: the licence's terms, and how weights of another name of the graph are loaded

Graph = tuple[str, int]  # name without a tag of weights, input size
Offers = Mapping[Graph, Sequence[Mapping[Any, Any]]]


def graph(row: Mapping[Any, Any]) -> Graph:
    """The graph of a row, by the name that the row has for it."""
    return untagged(str(row["model"])), row["input_px"]


def graphs(row: Mapping[Any, Any]) -> list[Graph]:
    """All names of the row's graph, where they are known."""
    names = row.get("names")
    return [(name, row["input_px"]) for name in names] if isinstance(names, tuple) else [graph(row)]


def offers(known: pd.DataFrame | None) -> Offers:
    """The weights that are published for each graph. known: candidates.rows, or nothing."""
    found: dict[Graph, list[dict[str, Any]]] = {}
    for row in [] if known is None else known.to_dict("records"):
        for one in graphs(row):
            found.setdefault(one, []).append(row)
    return found


def served(record: Mapping[Any, Any], known: Offers) -> list[Mapping[Any, Any]]:
    """The weights that a measured time serves, those to offer first first; none where its own accuracy alone counts.

    The most accurate, to the one decimal that is shown; of those as accurate the network's own, then those that may be used freely.
    """
    own = record.get("weights") not in ("random", "pretrained") and not isinstance(record.get("weights_tag"), str)
    if own or record["source"] != "records" or record.get("accuracy_source") == "measured" or record["precision"] in COUNTED:
        return []
    return sorted(known.get(graph(record), ()), key=lambda row: worth(row, str(record["model"])))


def worth(row: Mapping[Any, Any], model: str = "") -> tuple[Any, ...]:
    """What sets of weights are ordered by, the best first."""
    top1 = -row["top1"] if row["top1"] == row["top1"] else np.inf
    other = bool(model) and row["model"] != untagged(model)
    return round(top1, 1) if np.isfinite(top1) else top1, other, bool(row.get("terms")), top1


def one_each(known: pd.DataFrame) -> pd.DataFrame:
    """The best weights of each graph of candidates.rows."""
    order = [worth(row) for row in known[["model", "top1", "terms"]].to_dict("records")]
    names = known["names"] if "names" in known else known["model"]
    marks = [(frozenset(names) if isinstance(names, tuple) else names, px) for names, px in zip(names, known["input_px"], strict=True)]
    first: dict[Any, int] = {}
    for at in sorted(range(len(known)), key=lambda at: order[at]):
        first.setdefault(marks[at], at)
    return known.iloc[sorted(first.values())]


def unlike(record: Mapping[Any, Any]) -> bool:
    """Whether a half precision was not found to agree with fp32."""
    return record["precision"] in HALF and not record.get("parity_max_rel", np.nan) <= published.PARITY_LIMIT


def named(row: Mapping[Any, Any], model: str) -> str:
    """How weights that belong to another name of the same graph are loaded, as a matrix says it; empty for the network's own."""
    if row["model"] == untagged(model) or not row["accuracy_weights"]:
        return ""
    return (
        f"{row['model']}.{row['accuracy_weights']}"
        if row["model"].startswith("timm:")
        else f"{row['model']} with {row['accuracy_weights']}"
    )


@functools.lru_cache(maxsize=4)
def catalogue(license: str | None = None) -> pd.DataFrame:
    """The catalogue's networks with each set of weights that the licence rule allows; `commercial` names those without any, too, without a Top-1."""
    every = candidates.rows(candidates.catalogued(license, every_tag=True))
    return pd.concat([every, candidates.barred()], ignore_index=True) if license else every


def best_weights(frame: pd.DataFrame, license: str | None = None) -> pd.DataFrame:
    """The frame with the Top-1 of the first weights that each measured time serves, and ADDED."""
    frame = frame.assign(terms="", weights_of="")
    rows = frame.reindex(columns=list(COLUMNS)).assign(unlike=unlikes(frame))
    known = offers(catalogue(license))
    cache: dict[tuple[Any, ...], Mapping[Any, Any] | None] = {}
    found = []
    for values in zip(*(rows[name] for name in rows), strict=True):
        key = tuple(None if value is pd.NA or value != value else value for value in values)
        if key not in cache:
            record = dict(zip(rows, key, strict=True))
            first = [] if record["unlike"] or not isinstance(record["model"], str) else served(record, known)
            cache[key] = first[0] if first else None
        found.append(cache[key])
    use = np.array([one is not None for one in found], bool)
    if not use.any():
        return frame
    models = frame.loc[use, "model"]
    best = [one for one in found if one is not None]
    halves = frame.loc[use, "precision"].isin(HALF)
    notes = [f"{one['accuracy_weights']}, {one['source']}" if one["accuracy_weights"] else "" for one in best]
    for name in ("top1", "top5"):
        frame.loc[use, name] = [one[name] for one in best]
    frame.loc[use, "accuracy_weights"] = [
        f"{note}; {precision} with passed parity" if half and note else note
        for note, half, precision in zip(notes, halves, frame.loc[use, "precision"], strict=True)
    ]
    frame.loc[use, "accuracy_source"] = "published"
    frame.loc[use, "terms"] = [one["terms"] for one in best]
    frame.loc[use, "weights_of"] = [named(one, model) for one, model in zip(best, models, strict=True)]
    return frame


def unlikes(frame: pd.DataFrame) -> pd.Series:
    """`unlike` of every row."""
    return frame["precision"].isin(HALF) & ~published.agrees(
        frame["parity_max_rel"] if "parity_max_rel" in frame else pd.Series(np.nan, frame.index)
    )
