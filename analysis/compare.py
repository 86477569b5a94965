"""Two sets of records, cell by cell: FASTER, SLOWER, SAME or INCONCLUSIVE.

What is compared are the medians of processes (replicates) on the log scale, not iterations, which depend on one another. A moderated
t test (analysis.moderated) decides; p values are corrected for the number of cells after Benjamini and Hochberg, so that with no change at
all at most ``alpha`` of comparisons have any false FASTER or SLOWER. SAME is a claim of its own: the difference is shown to be
smaller than ``smallest_effect`` by two one-sided tests, corrected likewise. What is neither is INCONCLUSIVE.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis import moderated
from analysis.frame import CELL, FrameError, latest
from runner.environment import COMPARABLE

FASTER, SLOWER, SAME, INCONCLUSIVE = VERDICTS = ("FASTER", "SLOWER", "SAME", "INCONCLUSIVE")
NESTED = ("frameworks", "thread_env")  # facts with facts below them
ALSO = ("threads", "dyno")


def compare(
    frame_a: pd.DataFrame, frame_b: pd.DataFrame, smallest_effect: float = 0.02, alpha: float = 0.05, floor: float | None = None
) -> pd.DataFrame:
    """One row per cell of either frame: is B faster or slower than A?

    ``ratio`` is the time of B over that of A, ``low`` and ``high`` its interval (1 - alpha, per cell), ``process_sd``
    the standard deviation of log time between processes, moderated. ``floor`` is the standard deviation
    of log ratios between identical sweeps on this host, beyond what replicates show (analysis.calibrate). ``attrs`` name what is unlike.
    Raises FrameError when there is nothing to compare.
    """
    a, b = _indexed(frame_a), _indexed(frame_b)
    cells = sorted(set(a) | set(b))
    rows = [dict(zip(CELL, cell, strict=True)) | _sides(a, b, cell) for cell in cells]
    table = pd.DataFrame(rows, columns=[*CELL, "a", "b", "broken", "reason"])
    if table.empty:
        raise FrameError("nothing to compare: neither side has a cell")
    judged = _judge(table, smallest_effect, alpha, floor or 0.0)
    table = pd.concat([table.drop(columns=["a", "b"]), judged], axis=1)
    table["reason"] = table["reason"].where(table["reason"].notna() | table["verdict"].ne(INCONCLUSIVE), table["why"])
    table = table.drop(columns="why")
    table.attrs = {"unlike": unlike(frame_a, frame_b), "alpha": alpha, "smallest_effect": smallest_effect, "floor": floor}
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
    found = []
    columns = dict.fromkeys([*frame_a.columns, *frame_b.columns])
    for column in columns:
        fact = column.removeprefix("env_")
        known = column != fact and (fact in COMPARABLE + ALSO or fact.startswith(tuple(f"{name}_" for name in NESTED)))
        if known or column == "host":
            sides = [_values(frame, column) for frame in (frame_a, frame_b)]
            if sides[0] != sides[1] or len(sides[0]) > 1:
                found.append({"fact": fact, "a": ", ".join(sides[0]), "b": ", ".join(sides[1])})
    return found


def _values(frame: pd.DataFrame, column: str) -> list[str]:
    return sorted({str(value) for value in frame[column].dropna()}) if column in frame else []


def _indexed(frame: pd.DataFrame) -> dict[tuple, dict[str, Any]]:
    """The latest attempt of each cell by its coordinates."""
    last = latest(frame[frame["role"] == "cell"])
    twice = last.duplicated(list(CELL), keep=False)
    if twice.any():
        hosts = ", ".join(sorted(set(map(str, last.loc[twice, "host"]))))
        raise FrameError(f"a side holds the same cell of several hosts ({hosts}): give one host's records per side")
    return {tuple(row[name] for name in CELL): {str(name): value for name, value in row.items()} for row in last.to_dict("records")}


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
    a_s: Iterable[Sequence[float]], b_s: Iterable[Sequence[float]], smallest_effect: float, alpha: float = 0.05, floor: float = 0.0
) -> pd.DataFrame:
    """`compare` for pairs of cells given by the medians of their processes in seconds; a row per pair."""
    return _judge(
        pd.DataFrame({side: [np.log(np.asarray(x, float)) for x in s] for side, s in (("a", a_s), ("b", b_s))}),
        smallest_effect,
        alpha,
        floor,
    )


def _judge(table: pd.DataFrame, smallest_effect: float, alpha: float, floor: float) -> pd.DataFrame:
    """Estimates, intervals, corrected p values and verdicts, in the rows' order."""
    a, b = table["a"], table["b"]
    n_a, n_b = a.map(len).to_numpy(), b.map(len).to_numpy()
    both = (n_a > 0) & (n_b > 0)
    degrees = np.where(both, np.maximum(n_a + n_b - 2, 0), 0).astype(float)
    squares = np.array(
        [np.square(x - x.mean()).sum() + np.square(y - y.mean()).sum() if ok else 0.0 for x, y, ok in zip(a, b, both, strict=True)]
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        variances, total = moderated.moderate(squares / degrees, degrees)
        error = np.sqrt(variances * (1 / n_a + 1 / n_b) + floor**2)
    effect = np.array([y.mean() - x.mean() if ok else np.nan for x, y, ok in zip(a, b, both, strict=True)])
    known = both & (total > 0) & np.isfinite(error)
    margin = np.log1p(smallest_effect)
    total = np.where(known, total, np.nan)
    p_differs = corrected(2 * stats.t.sf(np.abs(effect) / error, total))
    p_same = corrected(stats.t.sf((margin - np.abs(effect)) / error, total))
    half = stats.t.ppf(1 - alpha / 2, total) * error
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
