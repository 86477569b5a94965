"""The frame: any number of record files merged into one table, one row per record, SI units; its columns are those of analysis.frame.columns."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.errors import FrameError
from analysis.frame import measured_accuracy
from analysis.frame.cached import computed_once
from analysis.frame.columns import NO_WORK
from analysis.frame.entries import REPEATED, one_per_task, read, record_files
from analysis.frame.finish import finish
from analysis.frame.operators import Profile
from analysis.frame.words import plural


@dataclass(frozen=True)
class Merged:
    """The merged table, the environments by id and what was set aside: (file, what) -> lines."""

    frame: pd.DataFrame
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: Counter = field(default_factory=Counter)
    files: tuple[str, ...] = ()
    profiles: tuple[Profile, ...] = ()
    floors: tuple[Any, ...] = ()  # noise floors of the hosts (analysis.compare.noise), where they are known


def merge(paths: Iterable[str | Path]) -> Merged:
    """Merge record files and folders; raises FrameError when there is no record at all."""
    paths = list(paths)
    problems: Counter = Counter()
    files = record_files(paths, problems)
    seen: set[str] = set()
    environments: dict[str, dict[str, Any]] = {}
    rows: list[dict[str, Any]] = []
    counted: list[tuple[Path, dict[str, Any]]] = []
    profiles: list[Profile] = []
    for file in files:
        for entry in read(file, problems):
            if entry.key in seen:
                problems[file.name, REPEATED] += 1
                continue
            seen.add(entry.key)
            if entry.kind == "environment":
                environments[entry.id] = entry.content
            elif entry.kind == "accuracy":
                counted.append((file, entry.content))
            elif entry.kind == "profile":
                profiles.append(Profile(**entry.content))
            else:
                rows.append(entry.content)
    if not rows:
        raise nothing(paths, len(files), problems)
    rows = one_per_task(rows, problems)
    accuracies = measured_accuracy.measured(counted)
    rows = [entry | measured_accuracy.for_row(entry, accuracies) for entry in rows]
    return Merged(finish(pd.DataFrame(rows), environments), environments, problems, tuple(file.name for file in files), tuple(profiles))


def nothing(paths: Iterable[str | Path], files: int, problems: Counter) -> FrameError:
    """What to say where no line of any file is a record."""
    aside = f" ({sum(problems.values())} lines set aside)" if problems else ""
    where = ", ".join(map(str, paths))
    return FrameError(f"{where}: no records in {plural(files, 'file')}{aside}; `make bench` measures some")


def selected(frame: pd.DataFrame, kept: pd.Series) -> pd.DataFrame:
    """frame[kept], which copies a hundred columns; without a copy where every row is kept."""
    return frame if kept.all() else frame[kept]


@computed_once
def latest(frame: pd.DataFrame) -> pd.DataFrame:
    """The last attempt of each cell (anchors apart) per source and host; earlier ones are history.

    Within a file attempts are counted, so a clock that was set back changes nothing; between files the later one wins.
    """
    return frame.iloc[_last(frame)].sort_index()


@computed_once
def latest_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """The last attempt of each cell that is no anchor and no sustained run, whatever came of it."""
    return frame.iloc[_cells(frame)].sort_index()


@computed_once
def ranked(frame: pd.DataFrame) -> pd.DataFrame:
    """What may be compared: the latest attempt of each cell, if it is ok and valid, no anchor, was not contended and executed a network (noop does not)."""
    last = latest_cells(frame)
    valid = ~last["quality"].map(lambda labels: "invalid" in labels).astype(bool)
    good = valid & (last["status"] == "ok") & ~last["contended"].astype(bool) & last["latency_s"].notna() & (last["backend"] != NO_WORK)
    return selected(last, good)


def _cells(frame: pd.DataFrame) -> np.ndarray:
    """Places of the latest cells. Picked before any wide row is copied: a frame has a hundred columns and more."""
    cells = np.flatnonzero(frame["role"].eq("cell"))
    return cells[_last(_told(frame).iloc[cells])]


_SAME = ["source", "platform", "host", "cell_id", "role", "anchor"]


def _told(frame: pd.DataFrame) -> pd.DataFrame:
    """What tells attempts apart."""
    return frame[[*_SAME, *frame.columns.intersection(["file"]), "started_at", "attempt"]]


def _last(frame: pd.DataFrame) -> np.ndarray:
    """Places of the last attempts among all rows, in ascending order."""
    told = _told(frame).reset_index(drop=True)
    by_time = told.sort_values("started_at", kind="stable", na_position="first")
    attempts = by_time.sort_values("attempt", kind="stable", na_position="first").drop_duplicates(
        [*_SAME, *told.columns.intersection(["file"])], keep="last"
    )
    last = attempts.sort_values("started_at", kind="stable", na_position="first").drop_duplicates(_SAME, keep="last")
    return np.sort(last.index.to_numpy())
