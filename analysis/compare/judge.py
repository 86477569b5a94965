"""Verdicts on pairs of cells, from the medians of their processes; analysis.compare.compare says by which rules."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.stats import noise_model
from analysis.stats.noise_model import Between

FASTER, SLOWER, SAME, INCONCLUSIVE = VERDICTS = ("FASTER", "SLOWER", "SAME", "INCONCLUSIVE")
MIN_REPLICATES = 2  # that tell anything of noise
ONE_MOMENT = "replicates of one moment; how moments differ is unknown (`dyno noise` measures it)"


def judge(
    a_s: Iterable[Sequence[float]],
    b_s: Iterable[Sequence[float]],
    smallest_effect: float,
    alpha: float = 0.05,
    floor: Between | None = None,
    drifted: float | np.ndarray = 0.0,
    spread: tuple[np.ndarray | bool, np.ndarray | bool] = (False, False),
) -> pd.DataFrame:
    """`compare` for pairs of cells given by the medians of their processes in seconds; a row per pair."""
    table = pd.DataFrame({"a": list(a_s), "b": list(b_s)}).assign(spread_a=spread[0], spread_b=spread[1])
    return judge_cells(table, smallest_effect, alpha, floor, drifted)


def judge_cells(
    table: pd.DataFrame, smallest_effect: float, alpha: float, floor: Between | None, drifted: float | np.ndarray = 0.0
) -> pd.DataFrame:
    """Estimates, intervals, corrected p values and verdicts, in the rows' order. Replicates of one moment need a noise floor or anchors.

    ``drifted``: what anchors say that everything drifted by; a change in that direction counts only as far as it goes beyond.
    """
    sides = [noise_model.times(table[side].tolist(), floor, table[f"spread_{side}"].to_numpy(bool)) for side in ("a", "b")]
    counts = n_a, n_b = tuple(table[side].map(len).to_numpy() for side in ("a", "b"))
    processes = np.sqrt((sides[0].variance * n_a + sides[1].variance * n_b) / 2)
    columns = {"latency_a_s": np.exp(sides[0].mean), "latency_b_s": np.exp(sides[1].mean), "process_sd": processes}
    shared = floor.allowance(alpha) if floor else 0.0
    is_blind = np.zeros(len(table), bool) if floor else ~(table["spread_a"] & table["spread_b"]).to_numpy(bool)
    verdicts = _verdicts(noise_model.difference(*sides).where(~is_blind), smallest_effect, alpha, shared, drifted)
    is_single = np.minimum(n_a, n_b) < MIN_REPLICATES
    unknown = np.where(is_blind & ~is_single, ONE_MOMENT, "one replicate a side says nothing about noise")
    return _judged(table, verdicts, columns, counts, unknown)


def judge_pairs(table: pd.DataFrame, smallest_effect: float, alpha: float) -> pd.DataFrame:
    """The same from replicates of the same round: a side's several of one round count by their mean."""
    pairs, means = [], []
    for _, row in table.iterrows():
        a, b = (_of_rounds(row[side], row[f"rounds_{side}"]) for side in ("a", "b"))
        shared = sorted(set(a) & set(b))
        pairs.append([b[name] - a[name] for name in shared])
        means.append([np.mean([side[name] for name in shared]) if shared else np.nan for side in (a, b)])
    found = noise_model.paired(pairs)
    n = np.array([len(ratios) for ratios in pairs])
    times_a, times_b = np.exp(np.array(means, float).T)
    columns = {"latency_a_s": times_a, "latency_b_s": times_b, "process_sd": found.error * np.sqrt(n / 2)}
    return _judged(table, _verdicts(found, smallest_effect, alpha), columns, (n, n), "fewer than two rounds that both sides have")


def _of_rounds(medians_s: Sequence[float], rounds: Sequence[Any]) -> dict[Any, float]:
    """Mean log time by round."""
    logs: dict[Any, list[float]] = {}
    for median_s, name in zip(medians_s, rounds, strict=False):
        if name is not None:
            logs.setdefault(name, []).append(np.log(median_s))
    return {name: float(np.mean(found)) for name, found in logs.items()}


def _verdicts(
    found: noise_model.Difference, smallest_effect: float, alpha: float, shared: float = 0.0, drifted: float | np.ndarray = 0.0
) -> dict[str, np.ndarray]:
    """Verdict, ratio, interval and corrected p values. ``shared``: what all cells may have drifted by together, unseen."""
    effect = found.effect
    known = np.isfinite(found.error) & np.isfinite(effect)
    margin = np.log1p(smallest_effect)
    up, down = np.maximum(drifted, 0.0), np.maximum(np.negative(drifted), 0.0)
    allowed = shared + np.where(effect > 0, up, down)
    p_differs, p_same = (noise_model.corrected(np.where(known, p, np.nan)) for p in (found.p(allowed), found.p_within(margin - shared)))
    half = found.half_width(1 - alpha) + shared
    verdicts = np.full(len(effect), INCONCLUSIVE, dtype=object)
    with np.errstate(invalid="ignore"):
        verdicts[p_same <= alpha] = SAME
        differs = (p_differs <= alpha) & (np.abs(effect) > margin)
    verdicts[differs & (effect < 0)] = FASTER
    verdicts[differs & (effect > 0)] = SLOWER
    return {
        "verdict": verdicts,
        "ratio": np.exp(effect),
        "low": np.where(known, np.exp(effect - half - up), np.nan),
        "high": np.where(known, np.exp(effect + half + down), np.nan),
        "p_differs": p_differs,
        "p_same": p_same,
    }


def _judged(
    table: pd.DataFrame, verdicts: dict[str, np.ndarray], columns: dict[str, np.ndarray], counts: tuple[Any, ...], unknown: Any
) -> pd.DataFrame:
    """The columns of a comparison in their order; ``unknown`` says why a cell has no interval."""
    known = np.isfinite(verdicts["low"])
    times = {name: columns[name] for name in ("latency_a_s", "latency_b_s")}
    more = {"process_sd": np.where(known, columns["process_sd"], np.nan), "replicates_a": counts[0], "replicates_b": counts[1]}
    first = {"verdict": verdicts["verdict"], **times}
    return pd.DataFrame({**first, **verdicts, **more, "why": np.where(known, "interval too wide", unknown)}, index=table.index)
