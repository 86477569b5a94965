"""Two sets of records, cell by cell: FASTER, SLOWER, SAME or INCONCLUSIVE.

What is compared are the medians of processes (replicates) on the log scale, not iterations, which depend on one another. Welch's t test
on moderated variances (analysis.stats.noise_model) decides; p values are corrected for the number of cells after Benjamini and Hochberg, so that with no change at
all at most ``alpha`` of comparisons have any false FASTER or SLOWER. SAME is a claim of its own: the difference is shown to be
smaller than ``smallest_effect`` by two one-sided tests, corrected likewise. What is neither is INCONCLUSIVE.

Replicates share their moment, and moments differ: how much comes from the host's noise floor, else from the runs' own anchors, which are
one cell at several moments. Either is known with few degrees of freedom, which the test takes into account (Satterthwaite 1946). What all
cells of a sweep drift by together is one draw, not one per cell: it is allowed for once, before cells are tested and corrected.

Sides that were measured in alternating rounds (analysis.compare.alternate) are compared round by round: within one, both saw the same moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.compare.judge import INCONCLUSIVE, SLOWER, VERDICTS, judge_cells, judge_pairs
from analysis.errors import FrameError
from analysis.frame import environments, noise
from analysis.frame.columns import CELL
from analysis.frame.frame import latest_cells
from analysis.stats.noise_model import Between

FROM_FLOOR, FROM_ANCHORS, FROM_PAIRS = "noise floor", "anchors", "pairs"


@dataclass(frozen=True)
class Comparison:
    """What came of comparing B with A. ``cells``: one row per cell of either side.

    ``ratio`` is the time of B over that of A, ``low`` and ``high`` its interval (1 - alpha, per cell), ``process_sd`` the standard deviation of
    log time between processes, moderated; ``reason`` says why there is no verdict, ``broken`` that A has a time and B failed.
    """

    cells: pd.DataFrame
    unlike: list[dict[str, Any]]  # facts of the environments that differ: {"fact", "a", "b"}
    alpha: float
    smallest_effect: float
    floor: float | None  # noise between sweeps, as a standard deviation of log time; None where it isn't known
    floor_of: str | None  # FROM_FLOOR, FROM_ANCHORS or FROM_PAIRS

    @property
    def counts(self) -> dict[str, int]:
        """Cells by verdict."""
        return {verdict: int((self.cells["verdict"] == verdict).sum()) for verdict in VERDICTS}

    def exit_code(self, strict: bool = False) -> int:
        """0: nothing is slower; 1: something is slower or no longer works; strict: 1 also where something is INCONCLUSIVE."""
        bad = self.cells["verdict"].eq(SLOWER) | self.cells["broken"] | (self.cells["verdict"].eq(INCONCLUSIVE) & strict)
        return int(bad.any())


def compare(
    frame_a: pd.DataFrame,
    frame_b: pd.DataFrame,
    smallest_effect: float = 0.02,
    alpha: float = 0.05,
    floor: Between | None = None,
    paired: bool = False,
) -> Comparison:
    """Whether B is faster or slower than A, cell by cell. Raises FrameError when there is nothing to compare.

    ``floor`` is this host's noise between identical sweeps (analysis.compare.noise); without it the anchors of the runs tell, where there are any.
    ``paired``: replicates of the same round are compared with each other, and no other noise counts.
    """
    a, b = _indexed(frame_a), _indexed(frame_b)
    cells = sorted(set(a) | set(b))
    rows = [dict(zip(CELL, cell, strict=True)) | _sides(a, b, cell, paired) for cell in cells]
    table = pd.DataFrame(rows, columns=[*CELL, "a", "b", "rounds_a", "rounds_b", "spread_a", "spread_b", "broken", "reason", "so_far"])
    if table.empty:
        raise FrameError("nothing to compare: neither side has a cell")
    known = None if paired else floor or noise.moments(frame_a, frame_b)
    if paired:
        judged = judge_pairs(table, smallest_effect, alpha)
    else:
        judged = judge_cells(table, smallest_effect, alpha, known, 0.0 if floor else drift(frame_a, frame_b))
    table = pd.concat([table.drop(columns=["a", "b", "rounds_a", "rounds_b", "spread_a", "spread_b"]), judged], axis=1)
    table["reason"] = table["reason"].where(table["reason"].notna() | table["verdict"].ne(INCONCLUSIVE), table["why"])
    pairs = zip(table["reason"], table["so_far"], strict=True)
    table["reason"] = [", ".join(word for word in pair if isinstance(word, str)) or None for pair in pairs]
    return Comparison(
        table.drop(columns=["why", "so_far"]),
        unlike(frame_a, frame_b),
        alpha,
        smallest_effect,
        float(np.hypot(known.sd, known.shared_sd)) if known else None,
        FROM_PAIRS if paired else FROM_FLOOR if floor else FROM_ANCHORS if known else None,
    )


def unlike(frame_a: pd.DataFrame, frame_b: pd.DataFrame) -> list[dict[str, Any]]:
    """Facts of the environments that differ between the sides, or within one: [{"fact", "a", "b"}]."""
    sides = [environments.comparable(frame).assign(host=frame["host"]) for frame in (frame_a, frame_b)]
    found = []
    for fact in dict.fromkeys([*sides[0].columns, *sides[1].columns]):
        a, b = (_values(side, fact) for side in sides)
        if a != b or len(a) > 1:
            found.append({"fact": str(fact), "a": ", ".join(a), "b": ", ".join(b)})
    return found


def _values(facts: pd.DataFrame, fact: str) -> list[str]:
    return sorted({str(value) for value in facts[fact].dropna()}) if fact in facts else []


def _indexed(frame: pd.DataFrame) -> dict[tuple, dict[str, Any]]:
    """The latest attempt of each cell by its coordinates."""
    last = latest_cells(frame)
    twice = last.duplicated(list(CELL), keep=False)
    if twice.any():
        hosts = ", ".join(sorted(set(map(str, last.loc[twice, "host"]))))
        raise FrameError(f"a side holds the same cell of several hosts ({hosts}): give one host's records per side")
    return {tuple(row[name] for name in CELL): {str(name): value for name, value in row.items()} for row in last.to_dict("records")}


def shared_logs(frames: Sequence[pd.DataFrame]) -> list[list[np.ndarray]]:
    """Log medians of the processes, per cell and frame, of the cells that every frame has with at least two processes."""
    sides = [_indexed(frame) for frame in frames]
    found = []
    for cell in sorted(set.intersection(*(set(side) for side in sides))):
        if all(_unusable(side[cell]) is None and len(side[cell]["replicate_medians_s"]) > 1 for side in sides):
            found.append([np.log(side[cell]["replicate_medians_s"]) for side in sides])
    return found


def _sides(a: dict[tuple, dict[str, Any]], b: dict[tuple, dict[str, Any]], cell: tuple, paired: bool) -> dict[str, Any]:
    """Medians of the processes of both sides, or why there are none; ``broken``: A has a time and B failed.

    Records of before a rule of the threads changed are no judgement on what was measured; who pairs two rules wants to know.
    """
    sides: dict[str, Any] = {"broken": False, "reason": None}
    reasons, unfinished = [], []
    for name, rows in (("a", a), ("b", b)):
        row = rows.get(cell)
        reason = _unusable(row)
        sides[name] = row["replicate_medians_s"] if row and reason is None else ()
        sides[f"rounds_{name}"] = (row or {}).get("replicate_rounds") or ()
        sides[f"spread_{name}"] = bool(row and row.get("rounds", 0) > 1)
        if reason:
            reasons.append(f"{reason} in {name.upper()}")
        elif row and isinstance(row.get("so_far"), str):
            unfinished.append(f"so far {row['so_far']} in {name.upper()}")
    rules = [(rows.get(cell) or {}).get("env_threads_rule") for rows in (a, b)]
    if not paired and not reasons and all(isinstance(rule, str) for rule in rules) and rules[0] != rules[1]:
        reasons.append(f"another rule of the threads: {rules[0]} in A, {rules[1]} in B")
        sides |= {"a": (), "b": ()}
    sides["broken"] = bool(len(sides["a"])) and b.get(cell, {}).get("status") == "failed"
    return sides | {"reason": ", ".join(reasons) or None, "so_far": ", ".join(unfinished) or None}


def _unusable(row: dict[str, Any] | None) -> str | None:
    if row is None:
        return "not measured"
    if row["status"] != "ok":
        return f"{row['status']} ({row['reason']})"
    if row["contended"]:
        return "contended"
    return None if len(row["replicate_medians_s"]) else "no samples"


def drift(frame_a: pd.DataFrame, frame_b: pd.DataFrame) -> float:
    """What all cells drifted by together from A to B (log ratio), as the anchors that both have tell; 0 where none do."""
    sides = []
    for frame in (frame_a, frame_b):
        anchors = frame[(frame["role"] == "anchor") & (frame["status"] == "ok") & ~frame["contended"]]
        means = anchors["replicate_medians_s"].map(lambda medians: np.log(medians).mean() if len(medians) else np.nan).astype(float)
        sides.append(anchors.assign(mean=means).groupby(list(CELL), dropna=False)["mean"].mean())
    found = (sides[1] - sides[0]).dropna()
    return float(found.mean()) if len(found) else 0.0
