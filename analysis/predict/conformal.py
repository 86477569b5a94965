"""Jackknife+ intervals (Barber, Candes, Ramdas and Tibshirani 2021): each left-out fit predicts, its own left-out error widens."""

import numpy as np
from scipy import stats

COVERAGE = 0.9


def half_width(residuals: np.ndarray, coverage: float = COVERAGE) -> float:
    """The conformal quantile of absolute residuals; with too few of them for that, Student's interval; infinite without any."""
    n = len(residuals)
    rank = int(np.ceil((n + 1) * coverage))
    if rank <= n:
        return float(np.sort(np.abs(residuals))[rank - 1])
    if n < 2:
        return np.inf
    return float(stats.t.ppf((1 + coverage) / 2, n - 1) * np.sqrt((residuals**2).mean() * (1 + 1 / n)))


def jackknife_plus(
    left_out: np.ndarray, residuals: np.ndarray, scale: np.ndarray | None = None, coverage: float = COVERAGE
) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of m predictions: left_out (m, n) predicts each with row i of training left out, residuals (n,) are those rows' own errors.

    scale: (m,) of the predictions, where the residuals were divided by their own.
    """
    n = len(residuals)
    scale = np.ones(len(left_out)) if scale is None else scale
    rank = int(np.ceil((n + 1) * coverage))
    if rank > n:
        centre, half = left_out.mean(1), half_width(residuals, coverage) * scale
        return centre - half, centre + half
    size = np.abs(residuals) * scale[:, None]
    low = np.partition(left_out - size, n - rank, axis=1)[:, n - rank]
    high = np.partition(left_out + size, rank - 1, axis=1)[:, rank - 1]
    return low, high
