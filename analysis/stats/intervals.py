"""Intervals: Wilson for shares, ranks for percentiles, BCa bootstrap for geometric means; vectorised and seeded."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import stats

from runner.records import accuracy_totals


def wilson(
    share: np.ndarray | pd.Series, n: np.ndarray | pd.Series | float, z: float = accuracy_totals.Z95
) -> tuple[np.ndarray, np.ndarray]:
    """Wilson score interval of shares (0 to 1) seen in n trials: (low, high); NaN where either is unknown."""
    with np.errstate(divide="ignore", invalid="ignore"):
        n = np.asarray(n, float)
        low, high = accuracy_totals.wilson(np.asarray(share, float) * n, n, z)
    return np.maximum(low, 0), np.minimum(high, 1)


@lru_cache(maxsize=1 << 16)
def percentile_ranks(n: int, percent: float, confidence: float = 0.95) -> tuple[int, int] | None:
    """Positions, from 0, of the two of n sorted values between which a percentile lies: distribution-free, by the binomial; None where n is too small."""
    tail = (1 - confidence) / 2
    low, high = (int(stats.binom.ppf(level, n, percent / 100)) for level in (tail, 1 - tail))
    return (low - 1, high) if low >= 1 and high < n else None


def geometric_mean(ratios: Sequence[float], level: float = 0.95, resamples: int = 2000) -> tuple[float, float, float]:
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
