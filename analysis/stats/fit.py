"""Curves through points: candidates compared by AICc and leave-one-out error, never by hand, with confidence and prediction bands.

A curve is fitted on the scale it will be shown on: with `log_y` the residuals are those of ln y, and the laws are written for y all the same.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, stats

AICC_TIE = 2.0  # candidates this close in AICc are equally supported (Burnham and Anderson)
SPREAD = 1e6  # a condition number of the Jacobian beyond which parameters are not determined


@dataclass(frozen=True)
class Law:
    """A candidate: y = f(x, *p), starting points for p, and how to write it."""

    name: str
    f: Callable
    starts: Callable
    text: str  # format string with {0} {1} ...
    positive_x: bool = False


def _line(x: np.ndarray, y: np.ndarray, degree: int = 1) -> list[float]:
    return [float(v) for v in np.polyfit(x, y, degree)[::-1]]


def _positive(y: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(y, 1e-12))


LAWS = (
    Law("linear", lambda x, a, b: a + b * x, lambda x, y: [_line(x, y)], "y = {0} + {1} x"),
    Law("logarithmic", lambda x, a, b: a + b * np.log(x), lambda x, y: [_line(np.log(x), y)], "y = {0} + {1} ln x", positive_x=True),
    Law("power", lambda x, a, b: a * x**b, lambda x, y: [[np.exp((p := _line(np.log(x), _positive(y)))[0]), p[1]]], "y = {0} x^({1})", positive_x=True),
    Law("quadratic", lambda x, a, b, c: a + b * x + c * x**2, lambda x, y: [_line(x, y, 2)], "y = {0} + {1} x + {2} x²"),
    Law("exponential", lambda x, a, b: a * np.exp(b * x), lambda x, y: [[np.exp((p := _line(x, _positive(y)))[0]), p[1]]], "y = {0} exp({1} x)"),
    Law("saturating", lambda x, a, b, c: a - b * np.exp(-c * x),
        lambda x, y: [[max(y), np.ptp(y) + 1e-9, k / np.median(x)] for k in (0.3, 1, 3)], "y = {0} − {1} exp(−{2} x)"),
    Law("logistic", lambda x, a, b, c: a / (1 + np.exp(-b * (np.log(x) - c))),
        lambda x, y: [[1.05 * max(y), s, np.log(np.median(x)) - k] for s in (1, -1) for k in (0, 2)],
        "y = {0} / (1 + exp(−{1} (ln x − {2})))", positive_x=True),
)  # fmt: skip

BATCH = Law(
    "a/b + c", lambda x, a, c: a / x + c, lambda x, y: [_line(1 / x, y)[::-1]], "t(b) = {0}/b + {1}", positive_x=True
)  # fixed cost shared by a batch


@dataclass(frozen=True)
class Fit:
    """The chosen law, its parameters and quality. Errors are in y's unit, or a factor where log_y."""

    law: Law
    p: np.ndarray
    covariance: np.ndarray
    sigma: float
    n: int
    log_y: bool
    aicc: float
    loo_rmse: float
    r2: float
    x_range: tuple[float, float]
    compared: tuple[tuple[str, float, float], ...] = ()  # name, AICc, leave-one-out RMSE of every candidate that converged

    @property
    def equation(self) -> str:
        """The law with its numbers."""
        text = self.law.text.format(*(_number(v) for v in self.p))
        return text.replace("+ −", "− ").replace("− −", "+ ")

    @property
    def error(self) -> str:
        """Leave-one-out error in words."""
        return f"×/÷ {np.exp(self.loo_rmse):.2f}" if self.log_y else f"{self.loo_rmse:.2g}"

    @property
    def summary(self) -> str:
        """What a caption says: law, equation, R², error, n."""
        scale = " of ln y" if self.log_y else ""
        return f"{self.law.name}: {self.equation}; R²{scale} = {self.r2:.2f}, leave-one-out error {self.error}, n = {self.n}"

    def curve(self, x: Any, level: float = 0.95) -> dict[str, np.ndarray]:
        """y at x with its confidence band (lo, hi) and prediction band (plo, phi), by the delta method with Student's t."""
        x = np.asarray(x, float)
        value = _scale(self.law.f(x, *self.p), self.log_y)
        jacobian = _jacobian(self.law.f, x, self.p, self.log_y)
        variance = np.einsum("ij,jk,ik->i", jacobian, self.covariance, jacobian)
        t = stats.t.ppf(0.5 + level / 2, max(1, self.n - len(self.p)))
        mean, new = t * np.sqrt(np.maximum(variance, 0)), t * np.sqrt(np.maximum(variance, 0) + self.sigma**2)
        bands = {"y": value, "lo": value - mean, "hi": value + mean, "plo": value - new, "phi": value + new}
        return {name: np.exp(v) if self.log_y else v for name, v in bands.items()}


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _scale(y: np.ndarray, log_y: bool) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.log(np.where(y > 0, y, np.nan)) if log_y else np.asarray(y, float)


def _jacobian(f: Callable, x: np.ndarray, p: np.ndarray, log_y: bool) -> np.ndarray:
    columns = []
    for i, value in enumerate(p):
        step = 1e-6 * max(abs(value), 1e-6)
        up, down = p.copy(), p.copy()
        up[i], down[i] = value + step, value - step
        columns.append((_scale(f(x, *up), log_y) - _scale(f(x, *down), log_y)) / (2 * step))
    return np.column_stack(columns)


def fit(x: Any, y: Any, log_y: bool = False, laws: Sequence[Law] = LAWS) -> Fit | None:
    """The best-supported law: of the candidates within AICC_TIE of the lowest AICc those with fewest parameters, of these the lowest leave-one-out error.

    Points that are not finite (or not positive where a logarithm is taken) are left out. None with fewer than 5 points or one distinct x.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    keep = np.isfinite(x) & np.isfinite(y) & ((y > 0) | (not log_y))
    x, y = x[keep], y[keep]
    if len(x) < 5 or len(np.unique(x)) < 4:
        return None
    found = [f for law in laws if not (law.positive_x and (x <= 0).any()) and (f := _fit(law, x, y, log_y)) is not None]
    if not found:
        return None
    lowest = min(f.aicc for f in found)
    best = min((f for f in found if f.aicc <= lowest + AICC_TIE), key=lambda f: (len(f.p), f.loo_rmse))
    return Fit(**{**vars(best), "compared": tuple((f.law.name, f.aicc, f.loo_rmse) for f in found)})


def _fit(law: Law, x: np.ndarray, y: np.ndarray, log_y: bool) -> Fit | None:
    target = _scale(y, log_y)
    best, error = None, np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a start that leads nowhere is no news; the next one is tried
        for start in law.starts(x, y):
            try:
                p, _ = optimize.curve_fit(
                    lambda x_, *p_: np.nan_to_num(_scale(law.f(x_, *p_), log_y), nan=1e6), x, target, p0=start, maxfev=2000
                )
            except (RuntimeError, ValueError, TypeError):
                continue
            sse = float(np.sum((_scale(law.f(x, *p), log_y) - target) ** 2))
            if sse < error:
                best, error = p, sse
    n = len(x)
    if best is None or not np.isfinite(error) or n - len(best) - 2 <= 0:
        return None
    jacobian = _jacobian(law.f, x, best, log_y)
    scaled = jacobian / np.maximum(np.linalg.norm(jacobian, axis=0), 1e-300)
    if not np.isfinite(jacobian).all() or np.linalg.cond(scaled) > SPREAD:
        return None
    inverse = np.linalg.pinv(jacobian.T @ jacobian)
    leverage = np.clip(np.einsum("ij,jk,ik->i", jacobian, inverse, jacobian), 0, 1 - 1e-9)
    residual = target - _scale(law.f(x, *best), log_y)
    k = len(best) + 1  # sigma is a parameter too
    aicc = n * np.log(max(error, 1e-300) / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1)
    sigma2 = error / (n - len(best))
    total = float(np.sum((target - target.mean()) ** 2))
    return Fit(law=law, p=best, covariance=sigma2 * inverse, sigma=float(np.sqrt(sigma2)), n=n, log_y=log_y, aicc=float(aicc),
               loo_rmse=float(np.sqrt(np.mean((residual / (1 - leverage)) ** 2))), r2=1 - error / total if total else np.nan,
               x_range=(float(x.min()), float(x.max())))  # fmt: skip
