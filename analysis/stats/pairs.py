"""Which levels differ: Fisher's LSD (as SPSS prints it), Holm, Tukey's HSD in a crossed model, Games-Howell."""

import functools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import interpolate, optimize, special, stats

from analysis.stats import anova


def lsd(frame: pd.DataFrame, value: str, factor: str, confidence: float = 0.95) -> pd.DataFrame:
    """Fisher's least significant difference of a one-way analysis, every pair once.

    Columns a, b, difference (mean of a minus mean of b), std_error, df, p, low, high, p_holm. `p` is uncorrected, as the studies used it.
    """
    groups = frame.groupby(factor, sort=True)[value]
    means, counts = groups.mean(), groups.count()
    within = anova.one_way(frame, value, factor).loc["within"]
    i, j = np.triu_indices(len(means), 1)
    difference = means.to_numpy()[i] - means.to_numpy()[j]
    error = np.sqrt(within["ms"] * (1 / counts.to_numpy()[i] + 1 / counts.to_numpy()[j]))
    p = 2 * stats.t.sf(np.abs(difference) / error, within["df"])
    return _table(means.index, i, j, difference, error, within["df"], p, stats.t.ppf((1 + confidence) / 2, within["df"]) * error)


def crossed(frame: pd.DataFrame, value: str, factors: Sequence[str], factor: str, confidence: float = 0.95) -> pd.DataFrame:
    """Every pair of levels of `factor` in the additive model of all `factors`: Tukey-Kramer intervals and p (`p`), and `p_holm`.

    Differences are of adjusted means, so that a level measured only in hard conditions is not blamed for them.
    """
    x, slices, levels = anova.design(frame, factors)
    y = frame[value].to_numpy(float)
    solution = np.linalg.lstsq(x, y, rcond=None)[0]
    df = len(y) - int(np.linalg.matrix_rank(x))
    if df < 1:
        raise ValueError(f"{factor}: no degree of freedom is left for the error")
    ms = float(((y - x @ solution) ** 2).sum() / df)
    at = list(factors).index(factor)
    names = levels[at]
    coding = np.vstack([np.eye(len(names) - 1), -np.ones(len(names) - 1)])
    covariance = coding @ (ms * np.linalg.pinv(x.T @ x))[slices[at], slices[at]] @ coding.T
    effects = coding @ solution[slices[at]]
    i, j = np.triu_indices(len(names), 1)
    difference = effects[i] - effects[j]
    variance = np.diag(covariance)
    error = np.sqrt(np.maximum(variance[i] + variance[j] - 2 * covariance[i, j], 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(difference) / error
    p = studentized_range_sf(t * np.sqrt(2), len(names), df)
    table = _table(pd.Index(names), i, j, difference, error, df, p, _critical(confidence, len(names), df) * error)
    table["p_holm"] = holm(2 * stats.t.sf(t, df))
    return table


def games_howell(frame: pd.DataFrame, value: str, factor: str) -> pd.DataFrame:
    """Games-Howell comparison of every pair, for unequal variances (Games and Howell 1976); needs two values per level."""
    groups = frame.groupby(factor, sort=True)[value]
    mean, n, variance = groups.mean(), groups.count(), groups.var(ddof=1)
    keep = (n > 1) & (variance > 0)
    mean, part, size = mean[keep], (variance / n)[keep].to_numpy(), n[keep].to_numpy()
    i, j = np.triu_indices(len(mean), 1)
    difference = mean.to_numpy()[i] - mean.to_numpy()[j]
    error = np.sqrt(part[i] + part[j])
    df = (part[i] + part[j]) ** 2 / (part[i] ** 2 / (size[i] - 1) + part[j] ** 2 / (size[j] - 1))
    p = studentized_range_sf(np.abs(difference) / error * np.sqrt(2), len(mean), df)
    table = _table(mean.index, i, j, difference, error, df, p, np.nan)
    return table.drop(columns=["low", "high"])


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's step-down adjustment (Holm 1979); NaN stays NaN."""
    p = np.asarray(p, float)
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1) if len(order) else steps
    return adjusted


def studentized_range_sf(q: np.ndarray, k: int, df: np.ndarray | float) -> np.ndarray:
    """P(studentized range of k means > q), vectorised over q and df; absolute error under 1e-6.

    scipy's own is exact but takes 7 ms a value; 741 pairs would take five seconds. More than 100 values of one df are interpolated.
    """
    q = np.asarray(q, float)
    if np.ndim(df) == 0 and np.isfinite(q).sum() > 100:
        nodes = np.linspace(0, min(float(q[np.isfinite(q)].max()), 20) + 1e-9, 97)
        curve = interpolate.CubicSpline(nodes, studentized_range_sf(nodes, k, np.full(97, df)))
        return np.where(np.isnan(q), np.nan, np.clip(np.where(q > nodes[-1], 0, curve(np.minimum(q, nodes[-1]))), 0, 1))
    q, df = np.broadcast_arrays(q, np.asarray(df, float))
    result = np.where(q == np.inf, 0.0, np.full(q.shape, np.nan))
    known = np.isfinite(q) & np.isfinite(df)
    values = np.empty(int(known.sum()))
    for start in range(0, len(values), 64):
        part = slice(start, start + 64)
        values[part] = _range_sf(q[known][part], k, df[known][part])
    result[known] = values
    return result


@functools.lru_cache(maxsize=2)
def _nodes(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of Gauss and Legendre."""
    return np.polynomial.legendre.leggauss(count)


def _range_sf(q: np.ndarray, k: int, nu: np.ndarray) -> np.ndarray:
    (z, weight), (u, share) = _nodes(96), _nodes(64)
    z, weight = 9 * z, 9 * weight
    # s = sqrt(chi2 / nu), between its extreme quantiles
    low, high = (np.sqrt(special.chdtri(nu, tail) / nu)[:, None] for tail in (1 - 1e-13, 1e-13))
    s = low + (high - low) * (u + 1) / 2
    nu = nu[:, None]
    mass = np.exp(nu / 2 * np.log(nu / 2) - special.gammaln(nu / 2) + (nu - 1) * np.log(s) - nu * s**2 / 2) * share * (high - low)
    gap = special.ndtr(z) - special.ndtr(z - (q[:, None] * s)[:, :, None])
    inside = k * (gap ** (k - 1) @ (weight * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)))
    return np.clip(1 - (inside * mass).sum(axis=1) / mass.sum(axis=1), 0, 1)


@functools.lru_cache(maxsize=64)
def _critical(confidence: float, k: int, df: int) -> float:
    def excess(q: float) -> float:
        return float(studentized_range_sf(np.array([q]), k, np.array([float(df)]))[0]) - (1 - confidence)

    return float(optimize.brentq(excess, 0.01, 500)) / np.sqrt(2)


def _table(
    names: pd.Index, i: np.ndarray, j: np.ndarray, difference: np.ndarray, error: np.ndarray, df: object, p: np.ndarray, margin: object
) -> pd.DataFrame:
    table = pd.DataFrame(
        {"a": names.to_numpy()[i], "b": names.to_numpy()[j], "difference": difference, "std_error": error, "df": df, "p": p}
    )
    return table.assign(low=difference - margin, high=difference + margin, p_holm=holm(p))  # type: ignore[operator]
