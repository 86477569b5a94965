"""Two sets of records, cell by cell: FASTER, SLOWER, SAME or INCONCLUSIVE.

What is compared are the medians of processes (replicates) on the log scale, not iterations, which depend on one another. A moderated
t test (analysis.stats.variance_shrinkage) decides; p values are corrected for the number of cells after Benjamini and Hochberg, so that with no change at
all at most ``alpha`` of comparisons have any false FASTER or SLOWER. SAME is a claim of its own: the difference is shown to be
smaller than ``smallest_effect`` by two one-sided tests, corrected likewise. What is neither is INCONCLUSIVE.

Replicates share their moment, and moments differ: how much comes from the host's calibration, else from the runs' own anchors, which are
one cell at several moments. Either is known with few degrees of freedom, which the test takes into account (Satterthwaite 1946). What all
cells of a sweep drift by together is one draw, not one per cell: it is allowed for once, before cells are tested and corrected.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.errors import FrameError
from analysis.frame import environments
from analysis.frame.frame import CELL, latest
from analysis.stats import variance_shrinkage

FASTER, SLOWER, SAME, INCONCLUSIVE = VERDICTS = ("FASTER", "SLOWER", "SAME", "INCONCLUSIVE")


@dataclass(frozen=True)
class Between:
    """What identical sweeps differ by beyond what their replicates show, as standard deviations of log ratios, and how well they are known."""

    sd: float  # of each cell by itself
    degrees: float = float("inf")
    shared_sd: float = 0.0  # of all cells of a sweep together
    shared_degrees: float = float("inf")

    def allowance(self, alpha: float) -> float:
        """The largest drift of all cells together (log ratio) that is expected with probability 1 - alpha."""
        return float(stats.t.ppf(1 - alpha / 2, self.shared_degrees)) * self.shared_sd


def compare(
    frame_a: pd.DataFrame, frame_b: pd.DataFrame, smallest_effect: float = 0.02, alpha: float = 0.05, floor: Between | None = None
) -> pd.DataFrame:
    """One row per cell of either frame: is B faster or slower than A?

    ``ratio`` is the time of B over that of A, ``low`` and ``high`` its interval (1 - alpha, per cell), ``process_sd``
    the standard deviation of log time between processes, moderated. ``floor`` is this host's noise between identical sweeps
    (analysis.compare.noise); without it the anchors of the runs tell, where there are any. ``attrs`` name what is unlike, and the noise used.
    Raises FrameError when there is nothing to compare.
    """
    a, b = _indexed(frame_a), _indexed(frame_b)
    cells = sorted(set(a) | set(b))
    rows = [dict(zip(CELL, cell, strict=True)) | _sides(a, b, cell) for cell in cells]
    table = pd.DataFrame(rows, columns=[*CELL, "a", "b", "broken", "reason"])
    if table.empty:
        raise FrameError("nothing to compare: neither side has a cell")
    known = floor or moments(frame_a, frame_b)
    judged = _judge(table, smallest_effect, alpha, known)
    table = pd.concat([table.drop(columns=["a", "b"]), judged], axis=1)
    table["reason"] = table["reason"].where(table["reason"].notna() | table["verdict"].ne(INCONCLUSIVE), table["why"])
    table = table.drop(columns="why")
    table.attrs = {"unlike": unlike(frame_a, frame_b), "alpha": alpha, "smallest_effect": smallest_effect}
    table.attrs |= {
        "floor": float(np.hypot(known.sd, known.shared_sd)) if known else None,
        "floor_of": "calibration" if floor else "anchors" if known else None,
    }
    return table


def counts(table: pd.DataFrame) -> dict[str, int]:
    """Cells by verdict."""
    return {verdict: int((table["verdict"] == verdict).sum()) for verdict in VERDICTS}


def exit_code(table: pd.DataFrame) -> int:
    """0: nothing is slower, all is settled; 1: something is slower or no longer works; 3: nothing is slower, but not all is settled."""
    if (table["verdict"] == SLOWER).any() or table["broken"].any():
        return 1
    return 3 if (table["verdict"] == INCONCLUSIVE).any() else 0


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
    last = latest(frame[frame["role"] == "cell"])
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


def _sides(a: dict[tuple, dict[str, Any]], b: dict[tuple, dict[str, Any]], cell: tuple) -> dict[str, Any]:
    """Log medians of the processes of both sides, or why there are none; ``broken``: A has a time and B failed."""
    sides: dict[str, Any] = {"broken": False, "reason": None}
    reasons = []
    for name, rows in (("a", a), ("b", b)):
        row = rows.get(cell)
        reason = _unusable(row)
        sides[name] = np.log(row["replicate_medians_s"]) if row and reason is None else np.array([])
        if reason:
            reasons.append(f"{reason} in {name.upper()}")
    sides["broken"] = bool(len(sides["a"])) and b.get(cell, {}).get("status") == "failed"
    return sides | {"reason": ", ".join(reasons) or None}


def _unusable(row: dict[str, Any] | None) -> str | None:
    if row is None:
        return "not measured"
    if row["status"] != "ok":
        return f"{row['status']} ({row['reason']})"
    if row["contended"]:
        return "contended"
    return None if len(row["replicate_medians_s"]) else "no samples"


def judge(
    a_s: Iterable[Sequence[float]],
    b_s: Iterable[Sequence[float]],
    smallest_effect: float,
    alpha: float = 0.05,
    floor: Between | None = None,
) -> pd.DataFrame:
    """`compare` for pairs of cells given by the medians of their processes in seconds; a row per pair."""
    return _judge(
        pd.DataFrame({side: [np.log(np.asarray(x, float)) for x in s] for side, s in (("a", a_s), ("b", b_s))}),
        smallest_effect,
        alpha,
        floor,
    )


def moments(*frames: pd.DataFrame) -> Between | None:
    """Noise between sweeps from the anchors of their runs, each one cell at several moments; None where fewer than two were measured.

    What a moment adds to a process's variance counts twice in a ratio. The cell's own replicates, where it was measured, tell the part of
    the processes; without them all of it counts.
    """
    squares = degrees = processes = 0.0
    shares = []
    for frame in frames:
        use = frame[frame["role"].isin(["anchor", "cell"]) & (frame["status"] == "ok") & ~frame["contended"].astype(bool)]
        anchors = use[use["role"] == "anchor"]
        for _, rows in anchors.groupby(["host", *CELL], dropna=False):
            logs = [np.log(medians) for medians in rows["replicate_medians_s"] if len(medians)]
            if len(logs) < 2:
                continue
            means = np.array([log.mean() for log in logs])
            squares += float(np.square(means - means.mean()).sum())
            degrees += len(means) - 1
            shares.append(np.mean([1 / len(log) for log in logs]))
        replicated = [np.log(medians) for medians in use["replicate_medians_s"] if len(medians) > 1]
        if replicated:
            processes = max(processes, float(np.median([log.var(ddof=1) for log in replicated])))
    if not degrees:
        return None
    return Between(float(np.sqrt(2 * max(0.0, squares / degrees - processes * float(np.mean(shares))))), degrees)


def _judge(table: pd.DataFrame, smallest_effect: float, alpha: float, floor: Between | None) -> pd.DataFrame:
    """Estimates, intervals, corrected p values and verdicts, in the rows' order."""
    a, b = table["a"], table["b"]
    n_a, n_b = a.map(len).to_numpy(), b.map(len).to_numpy()
    both = (n_a > 0) & (n_b > 0)
    degrees = np.where(both, np.maximum(n_a + n_b - 2, 0), 0).astype(float)
    squares = np.array(
        [np.square(x - x.mean()).sum() + np.square(y - y.mean()).sum() if ok else 0.0 for x, y, ok in zip(a, b, both, strict=True)]
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        variances, total = variance_shrinkage.moderate(squares / degrees, degrees)
        within, between = variances * (1 / n_a + 1 / n_b), floor.sd**2 if floor else 0.0
        error = np.sqrt(within + between)
        total = np.where(total > 0, (within + between) ** 2 / (within**2 / total + (between**2 / floor.degrees if floor else 0.0)), 0.0)
    effect = np.array([y.mean() - x.mean() if ok else np.nan for x, y, ok in zip(a, b, both, strict=True)])
    known = both & (total > 0) & np.isfinite(error)
    margin = np.log1p(smallest_effect)
    total = np.where(known, total, np.nan)
    allowed = floor.allowance(alpha) if floor else 0.0
    p_differs = corrected(2 * stats.t.sf(np.maximum(np.abs(effect) - allowed, 0.0) / error, total))
    p_same = corrected(stats.t.sf((margin - allowed - np.abs(effect)) / error, total))
    half = stats.t.ppf(1 - alpha / 2, total) * error + allowed
    verdicts = np.full(len(table), INCONCLUSIVE, dtype=object)
    with np.errstate(invalid="ignore"):
        verdicts[p_same <= alpha] = SAME
        differs = (p_differs <= alpha) & (np.abs(effect) > margin)
    verdicts[differs & (effect < 0)] = FASTER
    verdicts[differs & (effect > 0)] = SLOWER
    why = np.where(known, "interval too wide", "one replicate a side tells no noise")
    columns = {
        "verdict": verdicts,
        "latency_a_s": [float(np.exp(x.mean())) if len(x) else np.nan for x in a],
        "latency_b_s": [float(np.exp(y.mean())) if len(y) else np.nan for y in b],
        "ratio": np.exp(effect),
        "low": np.where(known, np.exp(effect - half), np.nan),
        "high": np.where(known, np.exp(effect + half), np.nan),
        "p_differs": p_differs,
        "p_same": p_same,
        "process_sd": np.where(known, np.sqrt(variances), np.nan),
        "replicates_a": n_a,
        "replicates_b": n_b,
        "why": why,
    }
    return pd.DataFrame(columns, index=table.index)


def corrected(p: np.ndarray) -> np.ndarray:
    """p values adjusted after Benjamini and Hochberg; NaN stays NaN and doesn't count."""
    adjusted = np.full(len(p), np.nan)
    use = np.isfinite(p)
    if use.any():
        adjusted[use] = stats.false_discovery_control(p[use], method="bh")
    return adjusted
