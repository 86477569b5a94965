"""Ranks: Friedman's test with critical differences, and rank correlations whose ties are overlapping intervals."""

import functools

import numpy as np
import pandas as pd
from scipy import stats


def friedman(table: pd.DataFrame) -> dict[str, float]:
    """Friedman's test of a table blocks x treatments (smaller is better), Iman and Davenport's F (1980), Kendall's W.

    Rows with a gap are left out; needs two blocks and three treatments.
    """
    complete = table.dropna()
    n, k = complete.shape
    if n < 2 or k < 3:
        return {"chi2": np.nan, "df": k - 1, "p": np.nan, "f": np.nan, "p_f": np.nan, "w": np.nan, "blocks": n, "treatments": k}
    ranks = stats.rankdata(complete.to_numpy(float), axis=1)
    ties = sum((counts**3 - counts).sum() for counts in (np.unique(row, return_counts=True)[1] for row in ranks))
    correction = 1 - ties / (n * k * (k * k - 1))
    chi2 = 12 * n / (k * (k + 1)) * ((ranks.mean(axis=0) - (k + 1) / 2) ** 2).sum() / correction if correction else np.nan
    f = (n - 1) * chi2 / (n * (k - 1) - chi2) if n * (k - 1) > chi2 else np.inf
    return {
        "chi2": float(chi2),
        "df": k - 1,
        "p": float(stats.chi2.sf(chi2, k - 1)),
        "f": float(f),
        "p_f": float(stats.f.sf(f, k - 1, (k - 1) * (n - 1))),
        "w": float(chi2 / (n * (k - 1))),
        "blocks": n,
        "treatments": k,
    }


def critical_difference(treatments: int, blocks: int, alpha: float = 0.05) -> float:
    """Nemenyi's critical difference of mean ranks (Demsar 2006, JMLR 7)."""
    if treatments < 2 or blocks < 1:
        return np.nan
    q = stats.studentized_range.isf(alpha, treatments, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(treatments * (treatments + 1) / (6 * blocks)))


def mean_ranks(table: pd.DataFrame) -> pd.Series:
    """Mean rank of each treatment (column), best first; rows with a gap are left out."""
    complete = table.dropna()
    ranks = pd.DataFrame(stats.rankdata(complete.to_numpy(float), axis=1).reshape(complete.shape), columns=complete.columns)
    return ranks.mean().sort_values(kind="stable").rename("mean_rank")


def cliques(ranks: pd.Series, difference: float) -> list[tuple[int, int]]:
    """Maximal runs (first, last position) of sorted mean ranks that lie within the critical difference; single ones are left out."""
    values = ranks.sort_values().to_numpy(float)
    runs, reached = [], -1
    for first in range(len(values)):
        last = int(np.searchsorted(values, values[first] + difference + 1e-12, side="right")) - 1
        if last > first and last > reached:
            runs.append((first, last))
            reached = last
    return runs


def order_signs(values: np.ndarray, low: np.ndarray | None = None, high: np.ndarray | None = None) -> np.ndarray:
    """Matrix of signs: +1 where i is certainly above j, -1 below, 0 where their intervals (or, without any, values) overlap."""
    low, high = (values, values) if low is None or high is None else (low, high)
    return (low[:, None] > high[None, :]).astype(np.int8) - (high[:, None] < low[None, :]).astype(np.int8)


def _tau(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Kendall's tau-b of two sign matrices under integer weights (resamples x n)."""

    def form(matrix: np.ndarray) -> np.ndarray:
        return np.einsum("ri,ri->r", weights @ matrix.astype(float), weights)

    with np.errstate(invalid="ignore", divide="ignore"):
        return form(a * b) / np.sqrt(form(a * a) * form(b * b))


@functools.lru_cache(maxsize=8)
def _draws(n: int, resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Bootstrap resamples of n items (resamples x n), and how often each holds each item; the same for every table of n."""
    draws = np.random.default_rng(seed).integers(0, n, (resamples, n))
    at = draws + n * np.arange(resamples)[:, None]
    return draws, np.bincount(at.ravel(), minlength=n * resamples).reshape(resamples, n).astype(float)


def correlation(
    x: np.ndarray,
    y: np.ndarray,
    x_bounds: tuple[np.ndarray, np.ndarray] | None = None,
    y_bounds: tuple[np.ndarray, np.ndarray] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, float]:
    """Spearman's rho and Kendall's tau-b of two rankings of the same items, each with a 95 % bootstrap interval over the items.

    With bounds, items whose intervals overlap are tied for tau. Keys: n, rho, rho_low, rho_high, tau, tau_low, tau_high, ties (share).
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    n = len(x)
    a = order_signs(x, *x_bounds) if x_bounds else order_signs(x)
    b = order_signs(y, *y_bounds) if y_bounds else order_signs(y)
    result: dict[str, float] = {"n": n}
    if n < 4:
        return result | dict.fromkeys(("rho", "rho_low", "rho_high", "tau", "tau_low", "tau_high", "ties"), np.nan)
    draws, counts = _draws(n, resamples, seed)
    rho = _pearson(stats.rankdata(x[draws], axis=1), stats.rankdata(y[draws], axis=1))
    tau = _tau(a, b, counts)
    result["rho"] = float(_pearson(stats.rankdata(x)[None], stats.rankdata(y)[None])[0])
    result["rho_low"], result["rho_high"] = (float(v) for v in np.nanquantile(rho, [0.025, 0.975]))
    result["tau"] = float(_tau(a, b, np.ones((1, n)))[0])
    result["tau_low"], result["tau_high"] = (
        (float(v) for v in np.nanquantile(tau, [0.025, 0.975])) if np.isfinite(tau).any() else (np.nan, np.nan)
    )
    pairs = n * (n - 1)
    result["ties"] = float((((a == 0) | (b == 0)).sum() - n) / pairs)
    return result


def _pearson(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (x * y).sum(axis=1) / np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
