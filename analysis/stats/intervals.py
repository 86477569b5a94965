"""Intervals: Wilson for shares, BCa bootstrap of any statistic, bounds of every row's latency; vectorised and seeded."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import special

from runner.records import accuracy_totals


def wilson(
    share: np.ndarray | pd.Series, n: np.ndarray | pd.Series | float, z: float = accuracy_totals.Z95
) -> tuple[np.ndarray, np.ndarray]:
    """Wilson score interval of shares (0 to 1) seen in n trials: (low, high); NaN where either is unknown."""
    with np.errstate(divide="ignore", invalid="ignore"):
        n = np.asarray(n, float)
        low, high = accuracy_totals.wilson(np.asarray(share, float) * n, n, z)
    return np.maximum(low, 0), np.minimum(high, 1)


def bca(
    values: np.ndarray, statistic: Callable[..., np.ndarray] = np.median, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Bias-corrected and accelerated bootstrap interval (Efron 1987) of `statistic(values, axis=-1)`.

    One value gives (NaN, NaN): an interval from one replicate would be an invention.
    """
    values = np.asarray(values, float)
    n = len(values)
    if n < 2:
        return np.nan, np.nan
    rng = np.random.default_rng(seed)
    point = float(statistic(values, axis=-1))
    boot = statistic(values[rng.integers(0, n, (resamples, n))], axis=-1)
    below = (np.sum(boot < point) + np.sum(boot == point) / 2) / resamples
    bias = special.ndtri(np.clip(below, 1 / (2 * resamples), 1 - 1 / (2 * resamples)))
    left_out = statistic(np.tile(values, (n, 1))[~np.eye(n, dtype=bool)].reshape(n, n - 1), axis=-1)
    gap = left_out.mean() - left_out
    spread = (gap**2).sum() ** 1.5
    acceleration = (gap**3).sum() / (6 * spread) if spread else 0.0
    z = special.ndtri((1 + np.array([-confidence, confidence])) / 2)
    levels = special.ndtr(bias + (bias + z) / (1 - acceleration * (bias + z)))
    low, high = np.quantile(boot, levels)
    return float(low), float(high)


def latency_bounds(frame: pd.DataFrame, confidence: float = 0.95, floor: float = 0.01) -> pd.DataFrame:
    """Interval of each row's latency from its replicates: columns low_s, high_s, in the frame's index.

    Student's interval on the log of the replicates' medians, at least +-`floor` (relative), because three processes can agree by luck.
    Rows with one replicate take their noise (IQR/median) instead, or the floor.
    """
    low, high = np.empty(len(frame)), np.empty(len(frame))
    noise = pd.to_numeric(frame.get("noise", pd.Series(np.nan, index=frame.index)), errors="coerce").to_numpy(float)
    replicates = frame.get("replicate_medians_s", pd.Series(None, index=frame.index, dtype=object))
    for at, (latency, medians) in enumerate(zip(frame["latency_s"].to_numpy(float), replicates, strict=True)):
        if isinstance(medians, (list, tuple, np.ndarray)) and len(medians) > 1:
            logs = np.log(np.asarray(medians, float))
            half = float(special.stdtrit(len(logs) - 1, (1 + confidence) / 2) * logs.std(ddof=1) / np.sqrt(len(logs)))
        else:
            half = float(np.log1p(noise[at])) if np.isfinite(noise[at]) else 0.0
        half = max(half, floor)
        low[at], high[at] = latency * np.exp(-half), latency * np.exp(half)
    return pd.DataFrame({"low_s": low, "high_s": high}, index=frame.index)
