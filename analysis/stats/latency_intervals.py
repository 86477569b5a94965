"""Intervals of latencies and of their ratios, on the logarithmic scale, from the medians of replicates (processes, not iterations)."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

LEVEL = 0.95


def _logs(replicates: Sequence[Sequence[float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n, mean, variance) of the logarithms of each cell's replicates; NaN where there are too few."""
    n = np.array([len(r) for r in replicates], float)
    logs = [np.log(np.asarray(r, float)) for r in replicates]
    mean = np.array([x.mean() if len(x) else np.nan for x in logs])
    variance = np.array([x.var(ddof=1) if len(x) > 1 else np.nan for x in logs])
    return n, mean, variance


def latencies(replicates: Sequence[Sequence[float]], level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of the latency of each cell: Student's t on ln of its replicates' medians; NaN with fewer than two."""
    n, mean, variance = _logs(replicates)
    half = stats.t.ppf(0.5 + level / 2, np.maximum(n - 1, 1)) * np.sqrt(variance / np.maximum(n, 1))
    return np.exp(mean - half), np.exp(mean + half)


def latency(replicate_medians_s: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """(low, high) of one latency."""
    low, high = latencies([replicate_medians_s], level)
    return float(low[0]), float(high[0])


def ratio(slower_s: Sequence[float], faster_s: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """(low, high) of one ratio slower / faster."""
    low, high = ratios([slower_s], [faster_s], level)
    return float(low[0]), float(high[0])


def ratios(slower: Sequence[Sequence[float]], faster: Sequence[Sequence[float]], level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of the ratio slower / faster of each pair of cells: Welch's t on ln of the replicates; NaN with fewer than two of either."""
    (na, ma, va), (nb, mb, vb) = _logs(slower), _logs(faster)
    va, vb = va / np.maximum(na, 1), vb / np.maximum(nb, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        df = (va + vb) ** 2 / (va**2 / (na - 1) + vb**2 / (nb - 1))
        half = np.where(va + vb == 0, 0.0, stats.t.ppf(0.5 + level / 2, df) * np.sqrt(va + vb))
    return np.exp(ma - mb - half), np.exp(ma - mb + half)


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
