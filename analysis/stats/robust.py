"""A straight line that outliers cannot bend, with the points that it sets aside named."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

CUT = 3.5  # robust standard deviations; Iglewicz and Hoaglin 1993


@dataclass(frozen=True)
class Line:
    """y = intercept + slope x, fitted to the points kept; `aside` marks the others (bool per point given)."""

    intercept: float
    slope: float
    aside: np.ndarray
    sigma: float
    r2: float
    n: int
    x_mean: float
    x_ss: float
    loo_error: float  # mean relative error of predicting each point from the others, those set aside included

    def predict(self, x: np.ndarray) -> np.ndarray:
        """y on the line."""
        return self.intercept + self.slope * np.asarray(x, float)

    def band(self, x: np.ndarray, kind: str = "prediction", confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """(low, high) at x: the `confidence` band of the line or the `prediction` band of a new point."""
        x = np.asarray(x, float)
        t = stats.t.ppf((1 + confidence) / 2, self.n - 2)
        spread = 1 / self.n + (x - self.x_mean) ** 2 / self.x_ss + (1.0 if kind == "prediction" else 0.0)
        half = t * self.sigma * np.sqrt(spread)
        return self.predict(x) - half, self.predict(x) + half

    def slope_interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Student's interval of the slope."""
        half = float(stats.t.ppf((1 + confidence) / 2, self.n - 2)) * self.sigma / np.sqrt(self.x_ss)
        return self.slope - half, self.slope + half


def line(x: np.ndarray, y: np.ndarray, cut: float = CUT) -> Line:
    """Robust line: least median of squares over all pairs of points finds the majority, least squares fits it.

    Points further than `cut` robust standard deviations from the majority are set aside, repeatedly until the choice stands. Raises ValueError below four points or two different x.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if len(x) < 4 or np.ptp(x) == 0:
        raise ValueError(f"{len(x)} point(s) with {len(np.unique(x))} different x; a line takes four points and two different x")
    intercept, slope = _least_median(x, y)
    residual = y - intercept - slope * x
    scale = _scale(residual)
    keep = np.abs(residual) <= cut * scale
    for _ in range(20):
        slope, intercept = np.polyfit(x[keep], y[keep], 1)
        residual = y - intercept - slope * x
        again = np.abs(residual) <= cut * _scale(residual[keep])
        if (again == keep).all() or again.sum() < 4 or np.ptp(x[again]) == 0:
            break
        keep = again
    kx, ky, n = x[keep], y[keep], int(keep.sum())
    slope, intercept = np.polyfit(kx, ky, 1)
    residual = ky - intercept - slope * kx
    x_ss = float(((kx - kx.mean()) ** 2).sum())
    leverage = 1 / n + (kx - kx.mean()) ** 2 / x_ss
    total = float(((ky - ky.mean()) ** 2).sum())
    missed = y - intercept - slope * x  # points set aside had no part in the line
    missed[keep] = residual / (1 - leverage)
    with np.errstate(divide="ignore", invalid="ignore"):
        loo = np.abs(missed / y)
    return Line(
        float(intercept),
        float(slope),
        ~keep,
        float(np.sqrt((residual**2).sum() / (n - 2))),
        1 - float((residual**2).sum()) / total if total else np.nan,
        n,
        float(kx.mean()),
        x_ss,
        float(np.mean(loo)),
    )


def _scale(residual: np.ndarray) -> float:
    """Robust standard deviation from the median absolute residual, never zero."""
    n = len(residual)
    scale = 1.4826 * (1 + 5 / max(n - 2, 1)) * float(np.median(np.abs(residual)))
    return scale if scale > 0 else 1e-9 * (float(np.abs(residual).max()) or 1.0) + 1e-12


def _least_median(x: np.ndarray, y: np.ndarray, most: int = 3000, seed: int = 0) -> tuple[float, float]:
    """(intercept, slope) of the line through two points whose median squared residual is least (Rousseeuw 1984)."""
    i, j = np.triu_indices(len(x), 1)
    distinct = x[i] != x[j]
    i, j = i[distinct], j[distinct]
    if len(i) > most:
        some = np.random.default_rng(seed).choice(len(i), most, replace=False)
        i, j = i[some], j[some]
    slopes = (y[j] - y[i]) / (x[j] - x[i])
    intercepts = np.median(y[None, :] - slopes[:, None] * x[None, :], axis=1)
    miss = np.median(np.abs(y[None, :] - slopes[:, None] * x[None, :] - intercepts[:, None]), axis=1)
    best = int(np.argmin(miss))
    return float(intercepts[best]), float(slopes[best])
