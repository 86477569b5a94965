"""Rounds of a fleet: what the tasks of one submission measured of a cell on one board is one row, its replicates joined.

A task is one round of a block of cells on one node. Rows of different boards never join, and rows of one board do not either where its driver,
its power mode or another fact that must be alike changed between them. Failed and skipped rounds stay rows of their own.
"""

import json
import statistics
from collections.abc import Sequence
from typing import Any

import pandas as pd

from runner.machine import environment

SUM = ("n_replicates", "n_samples", "n_asked", "rounds", "wall_s")
MIDDLE = ("noise", "load_s", "first_latency_s", "h2d_s", "d2h_s", "device_s", "latency_p90_s", "latency_p99_s", "memory_mb",
          "memory_peak_mb", "energy_j", "above_idle_j", "power_w")  # fmt: skip
LARGEST = ("attempt", "others_share")
WORST = ("parity_max_rel", "parity_cosine", "parity_top1_flips")  # of the round whose outputs differ most


def joined(frame: pd.DataFrame, environments: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """The frame with one row per board and cell of each submission; the place and the other facts are those of the last round.

    Contended rounds are left out where there are others. `task` names every task, `replicate_rounds` counts through the tasks' rounds, and
    percentiles, which can't be had from those of rounds, are the middle one's. A frame without rounds of a fleet is given back as it is.
    """
    if "task" not in frame or frame["task"].isna().all():
        return frame
    frame = frame.reset_index(drop=True)
    fleet = frame[frame["task"].notna() & frame["role"].eq("cell") & frame["status"].eq("ok") & frame["latency_s"].notna()]
    alike = {name: _alike(name, environments.get(name, {})) for name in fleet["environment"].unique()}
    groups: dict[tuple[Any, ...], list[int]] = {}
    keys = zip(fleet["task"].str.partition("/")[0], fleet["platform"], fleet["host"], fleet["cell_id"], fleet["weights"], fleet["environment"], strict=True)  # fmt: skip
    for row, (*same, named) in zip(fleet.index, keys, strict=True):
        groups.setdefault((*same, alike[named]), []).append(row)
    several = [rows for rows in groups.values() if len(rows) > 1]
    if not several:
        return frame
    contended = frame["contended"].eq(True).tolist()
    clean = [[row for row in rows if not contended[row]] or rows for rows in several]
    frame = frame.astype(dict.fromkeys(("quality", "replicate_medians_s", "replicate_rounds", "task"), object))
    last = [rows[-1] for rows in clean]
    for name, values in _columns(frame, clean).items():
        column = frame[name] if name in frame else pd.Series(None, index=frame.index, dtype=object)
        column.loc[last] = pd.Series(values, index=last, dtype=column.dtype)
        frame[name] = column
    gone = {row for rows in several for row in rows} - set(last)
    return frame[~frame.index.isin(gone)].reset_index(drop=True)


def _alike(name: str, facts: dict[str, Any]) -> str:
    """The facts that rounds must share; an environment whose facts can't be read shares them with none."""
    try:
        return json.dumps(environment.comparable(facts), sort_keys=True, default=str)
    except (AttributeError, TypeError, ValueError, RecursionError):
        return name


def _columns(frame: pd.DataFrame, groups: Sequence[Sequence[int]]) -> dict[str, list[Any]]:
    """The values of the joined rows, one per group."""
    of = {name: frame[name].tolist() for name in frame.columns.intersection([*SUM, *MIDDLE, *LARGEST, *WORST])}
    medians, turns, quality = (frame[name].tolist() for name in ("replicate_medians_s", "replicate_rounds", "quality"))
    tasks, batch = frame["task"].tolist(), frame["batch_size"].tolist()

    def known(name: str, rows: Sequence[int]) -> list[float]:
        return [of[name][row] for row in rows if of[name][row] is not None and of[name][row] == of[name][row]]

    out: dict[str, list[Any]] = {}
    for names, reduce in ((SUM, sum), (MIDDLE, statistics.median), (LARGEST, max)):
        for name in names:
            if name in of:
                values = [known(name, rows) for rows in groups]
                out[name] = [float(reduce(found)) if found else float("nan") for found in values]  # type: ignore[operator]
    out["replicate_medians_s"] = [tuple(value for row in rows for value in medians[row]) for rows in groups]
    out["latency_s"] = [statistics.median(values) for values in out["replicate_medians_s"]]
    out["throughput"] = [batch[rows[0]] / value for rows, value in zip(groups, out["latency_s"], strict=True)]
    out["replicate_rounds"] = [_counted([(row, turn) for row in rows for turn in turns[row] or [1] * len(medians[row])]) for rows in groups]
    out["quality"] = [tuple(dict.fromkeys(word for row in rows for word in quality[row] or ())) for rows in groups]
    out["task"] = [" ".join(dict.fromkeys(tasks[row] for row in rows)) for rows in groups]
    if WORST[0] in of:
        worst = [max(rows, key=lambda row: of[WORST[0]][row] if of[WORST[0]][row] == of[WORST[0]][row] else -1.0) for rows in groups]
        out |= {name: [of[name][row] for row in worst] for name in WORST if name in of}
    return out


def _counted(turns: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Rounds of several tasks, numbered through from 1."""
    numbers = {turn: number for number, turn in enumerate(dict.fromkeys(turns), 1)}
    return tuple(numbers[turn] for turn in turns)
