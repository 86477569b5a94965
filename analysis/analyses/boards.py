"""Boards of a kind: how much they differ from each other, beside how much one board's runs do, and which board is off."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.frame.cached import computed_once
from analysis.frame.columns import NO_WORK
from analysis.stats import nested

TITLE = "Boards of a kind"
VARIANCE = ["kind", "boards", "cells", "boards_sd_percent", "boards_low", "boards_high", "runs_sd_percent", "runs_low", "runs_high"]
BOARDS = ["kind", "board", "effect_percent", "low", "high", "off"]


def runs(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per run of a cell on a board that may be compared: kind, board, cell, log of the latency. Anchors count as what they are: runs; so does each round of a fleet."""
    good = frame[
        frame["status"].eq("ok")
        & ~frame["contended"]
        & frame["latency_s"].gt(0)
        & frame["source"].eq("records")
        & frame["backend"].ne(NO_WORK)
    ]
    fleet = good["task"].astype("str").str.contains(" ", na=False)
    if fleet.any():
        times = [
            _by_round(medians, turns) if several else [latency]
            for several, medians, turns, latency in zip(
                fleet, good["replicate_medians_s"], good["replicate_rounds"], good["latency_s"], strict=True
            )
        ]
        good = good.assign(latency_s=times).explode("latency_s")
    hosts = good["host"].astype(str)
    kind = [platform.removesuffix(f" @ {host}") for platform, host in zip(good["platform"], hosts, strict=True)]
    logs = np.log(good["latency_s"].astype(float))
    return pd.DataFrame({"kind": kind, "board": hosts, "cell": good["cell_id"], "log": logs}).reset_index(drop=True)


def _by_round(medians: Sequence[float], turns: Sequence[int]) -> list[float]:
    """The median of each round's processes."""
    return [float(np.median([value for value, mine in zip(medians, turns, strict=True) if mine == turn])) for turn in dict.fromkeys(turns)]


def applies(frame: pd.DataFrame) -> str | None:
    """Why there is nothing to say; None where some cell was measured on several boards of a kind."""
    boards = runs(frame).groupby(["kind", "cell"])["board"].nunique()
    return None if boards.gt(1).any() else "no cell was measured on two boards of one kind; dyno fleet plan puts an anchor on every node"


@computed_once
def analyse(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """`variance`: standard deviations of time between boards and between one board's runs, in percent with 95 % intervals; `boards`: each board's effect."""
    variance, boards = [], []
    for kind, group in runs(frame).groupby("kind"):
        try:
            found = nested.fit(group["cell"].tolist(), group["board"].tolist(), group["log"].to_numpy())
        except ValueError:
            continue  # a kind with one board, or with one run per cell and board
        parts = [100 * value for part in (found.boards, found.runs) for value in (part.sd, part.low, part.high)]
        variance.append((kind, found.n_boards, found.n_cells, *parts))
        for board, effect in found.effects.items():
            low, high = effect - found.half[board], effect + found.half[board]
            boards.append((kind, board, *(100 * np.expm1([effect, low, high])), board in found.off))
    return {"variance": pd.DataFrame(variance, columns=VARIANCE), "boards": pd.DataFrame(boards, columns=BOARDS)}


def explain(frame: pd.DataFrame) -> str:
    """The larger of the two per kind, and the boards that are off."""
    found = analyse(frame)
    said = [
        f"{row.kind}: {row.boards} boards differ by {row.boards_sd_percent:.1f} % (95 % interval {row.boards_low:.1f} to {row.boards_high:.1f}), "
        f"one board's runs by {row.runs_sd_percent:.1f} % ({row.runs_low:.1f} to {row.runs_high:.1f})"
        for row in found["variance"].itertuples()
    ]
    off = found["boards"][found["boards"]["off"]]
    said += [f"{row.board} is off: {row.effect_percent:+.0f} % against the median of {row.kind}" for row in off.itertuples()]
    return "; ".join(said) + "." if said else "No cell was measured twice on one board, so that boards and runs can't be told apart."
