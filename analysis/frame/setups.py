"""Which rows may be compared: a set-up is everything of a cell but its model and batch size."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.frame.cached import once
from analysis.frame.frame import ranked

SETUP = ["machine", "backend", "device", "precision", "input_px", "scenario", "source"]


def usable(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows with a latency that may be ranked: status ok, latest attempt, no anchors, not contended."""
    rows = ranked(frame)
    return rows[rows["latency_s"].gt(0)]


def one_in_flight(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells with one batch in flight; imported ones that don't say are taken as such."""
    return cells[cells["scenario"].fillna("latency").eq("latency")]


def observations(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows with a positive latency, and `image_s` (seconds per image), `log_time` (its natural logarithm), `setup`.

    Input size is part of the set-up, so that models timed on different inputs are never pooled by accident.
    """
    rows = frame[frame["latency_s"].gt(0) & frame["batch_size"].gt(0)].copy()
    rows["image_s"] = rows["latency_s"].astype(float) / rows["batch_size"].astype(float)
    rows["log_time"] = np.log(rows["image_s"])
    rows["setup"] = labels(rows)
    return rows


@once
def comparable(frame: pd.DataFrame) -> pd.DataFrame:
    """The observations of the usable rows of a frame."""
    return observations(usable(frame))


def varying(frame: pd.DataFrame, columns: Sequence[str] = SETUP) -> list[str]:
    """The set-up's columns with more than one value here; device, precision and source only where the ones before do not tell them."""
    chosen: list[str] = []
    for column in (name for name in columns if frame[name].nunique(dropna=False) > 1):
        told = (
            chosen
            and column in ("device", "precision", "source")
            and frame.groupby(chosen, dropna=False)[column].nunique(dropna=False).max() == 1
        )
        chosen += [] if told else [column]
    return chosen


def labels(frame: pd.DataFrame, columns: Sequence[str] | None = None) -> pd.Series:
    """One short name per row: machine, backend, and what else of its set-up varies in this frame."""
    names = (
        list(columns)
        if columns is not None
        else ["machine", "backend", *(name for name in varying(frame) if name not in ("machine", "backend"))]
    )
    if not len(frame) or not names:
        return pd.Series("all", index=frame.index, dtype=object)
    parts = [frame[name].map(lambda value, name=name: _word(name, value)) for name in names]
    joined = parts[0].astype(str)
    for part in parts[1:]:
        joined = joined + " " + part.astype(str)
    return joined


def _word(name: str, value: object) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "?"
    return "%d px" % int(float(str(value))) if name == "input_px" else str(value)


def each(frame: pd.DataFrame, columns: Sequence[str] = SETUP) -> Iterator[tuple[str, pd.DataFrame]]:
    """(label, rows) of every set-up in the frame, in order of label."""
    rows = frame.assign(setup=labels(frame))
    groups = [(part["setup"].iloc[0], part) for _, part in rows.groupby(list(columns), dropna=False, sort=False)]
    yield from sorted(groups, key=lambda item: str(item[0]))


def named(frame: pd.DataFrame, column: str = "setup") -> list[tuple[str, pd.DataFrame]]:
    """(name, rows) of each value of a column, in order."""
    return [(str(name), part) for name, part in frame.groupby(column)]


def told(said: Iterable[str], most: int = 3) -> str:
    """One sentence of what is said of each set-up, most telling first; beyond a few the rest is left to the table."""
    parts = list(said)
    more = f"; {len(parts) - most} more in the table" if len(parts) > most else ""
    return "; ".join(parts[:most]) + more + "."


def lines(table: pd.DataFrame) -> Iterator[Any]:
    """Rows as named tuples, without pandas' types, which know no column."""
    yield from table.itertuples()
