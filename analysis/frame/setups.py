"""Which rows may be compared, and what a predictor is fitted for: a set-up is everything of a cell but its model and batch size."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.errors import FrameError
from analysis.frame.cached import computed_once
from analysis.frame.frame import latest, ranked, selected

KEYS = ("platform", "device", "backend", "precision")  # of a Setup: what a predictor is fitted for, whatever the host and input size
SETUP = ["machine", "backend", "device", "precision", "input_px", "scenario", "source"]


@dataclass(frozen=True)
class Setup:
    """One platform, device, backend and precision: what a predictor is fitted for."""

    platform: str
    device: str
    backend: str
    precision: str

    def __str__(self) -> str:
        where = "" if self.device == self.platform else f" on {self.device}"
        return f"{self.platform}, {self.backend} {self.precision}{where}"


def usable(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows with a latency that may be ranked: status ok, latest attempt, no anchors, not contended."""
    rows = ranked(frame)
    return selected(rows, rows["latency_s"].gt(0))


def one_in_flight(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells with one batch in flight; imported ones that don't say are taken as such."""
    return selected(cells, cells["scenario"].fillna("latency").eq("latency"))


def observations(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows with a positive latency, and `image_s` (seconds per image), `log_time` (its natural logarithm), `setup`.

    Input size is part of the set-up, so that models timed on different inputs are never pooled by accident.
    """
    rows = selected(frame, frame["latency_s"].gt(0) & frame["batch_size"].gt(0))
    image_s = rows["latency_s"].astype(float) / rows["batch_size"].astype(float)
    return rows.assign(image_s=image_s, log_time=np.log(image_s), setup=labels(rows))


@computed_once
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


def one_sentence(said: Iterable[str], most: int = 3) -> str:
    """One sentence of what is said of each set-up, most telling first; beyond a few the rest is left to the table."""
    parts = list(said)
    more = f"; {len(parts) - most} more in the table" if len(parts) > most else ""
    return "; ".join(parts[:most]) + more + "."


def lines(table: pd.DataFrame) -> Iterator[Any]:
    """Rows as named tuples, without pandas' types, which know no column."""
    yield from table.itertuples()


def cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows that a predictor may learn from: comparable, with one batch in flight."""
    return one_in_flight(ranked(frame))


@computed_once
def setups(frame: pd.DataFrame) -> dict[Setup, pd.DataFrame]:
    """Rows of every set-up, the ones with most networks first."""
    groups = {Setup(*map(str, key)): rows for key, rows in cells(frame).groupby(list(KEYS), dropna=False)}
    return dict(sorted(groups.items(), key=lambda item: (-item[1]["model"].nunique(), str(item[0]))))


def choose(frame: pd.DataFrame, platform: str, **wanted: str | None) -> tuple[Setup, pd.DataFrame]:
    """The set-up of a platform with most networks among those that match `wanted`; raises FrameError with what there is."""
    return next(iter(matching(frame, platform, **wanted).items()))


def matching(frame: pd.DataFrame, platform: str, **wanted: str | None) -> dict[Setup, pd.DataFrame]:
    """The set-ups of a platform that match `wanted` (backend, device, precision), at least one; raises FrameError with what there is."""
    everything = setups(frame)
    mine = {setup: rows for setup, rows in everything.items() if setup.platform == platform}
    if not mine:
        unusable = _unusable(frame, platform)
        if unusable:
            raise FrameError(f"--platform {platform}: {unusable}")
        known = sorted({setup.platform for setup in everything})
        raise FrameError(
            f"--platform {platform}: no records of it; there are {', '.join(known) or 'none'}. `dyno plan --informative 10` picks what to measure first"
        )
    for name, value in wanted.items():
        if value:
            fit = {setup: rows for setup, rows in mine.items() if getattr(setup, name) == value}
            if not fit:
                raise FrameError(
                    f"--{name} {value}: not measured on {platform}; choose from {', '.join(sorted({getattr(s, name) for s in mine}))}"
                )
            mine = fit
    return mine


def _unusable(frame: pd.DataFrame, platform: str) -> str:
    """Why nothing can be learnt from a platform that there are records of; empty where there are none."""
    last = latest(frame[frame["role"].eq("cell") & frame["platform"].eq(platform)])
    if last.empty:
        return ""
    done = last["status"].eq("ok")
    busy = int((done & last["contended"].astype(bool)).sum())
    if done.any() and not busy:
        if (done & last["quality"].map(lambda labels: "invalid" in labels).astype(bool)).any():
            return "all that is there calls itself invalid, and is never ranked; measure it again until its tool says VALID"
        return "only noop was measured there, which computes nothing; `dyno run` measures other backends"
    how = f"{busy} of {len(last)} cells had busy neighbours" if busy else f"none of {len(last)} cells is ok"
    return (
        f"{how}, and nothing else can be ranked; "
        + ("`dyno run --retry contended`" if busy else "`dyno run --retry failed`")
        + " measures them again"
    )
