"""Intervals of latencies and of their ratios, on the logarithmic scale, from the medians of replicates (processes, not iterations)."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

LEVEL = 0.95


def latency(replicate_medians_s: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """Interval of a latency: Student's t on ln of the replicates' medians; (nan, nan) with fewer than two."""
    values = np.log(np.asarray(replicate_medians_s, float))
    if len(values) < 2:
        return np.nan, np.nan
    half = stats.t.ppf(0.5 + level / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(np.exp(values.mean() - half)), float(np.exp(values.mean() + half))


def ratio(slower_s: Sequence[float], faster_s: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """Interval of the ratio slower / faster of two latencies: Welch's t on ln of the replicates; (nan, nan) with fewer than two of either."""
    a, b = np.log(np.asarray(slower_s, float)), np.log(np.asarray(faster_s, float))
    if min(len(a), len(b)) < 2:
        return np.nan, np.nan
    va, vb = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    if va + vb == 0:
        return float(np.exp(a.mean() - b.mean())), float(np.exp(a.mean() - b.mean()))
    df = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    half = stats.t.ppf(0.5 + level / 2, df) * np.sqrt(va + vb)
    return float(np.exp(a.mean() - b.mean() - half)), float(np.exp(a.mean() - b.mean() + half))


def geometric_mean(ratios: Sequence[float], level: float = LEVEL, resamples: int = 2000) -> tuple[float, float, float]:
    """(geometric mean, low, high) of ratios over networks: BCa bootstrap of the mean of logarithms; no interval with fewer than five."""
    logs = np.log(np.asarray(ratios, float))
    logs = logs[np.isfinite(logs)]
    if not len(logs):
        return np.nan, np.nan, np.nan
    mean = float(np.exp(logs.mean()))
    if len(logs) < 5 or np.ptp(logs) == 0:
        return mean, np.nan, np.nan
    found = stats.bootstrap((logs,), np.mean, confidence_level=level, n_resamples=resamples, method="BCa", rng=np.random.default_rng(0))
    return mean, float(np.exp(found.confidence_interval.low)), float(np.exp(found.confidence_interval.high))
