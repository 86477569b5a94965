"""The batch-size law t(b) = a/b + c: seconds per image, fixed cost a per batch, c per image, knee at b = a/c.

Fitted by relative non-negative least squares, closed form and vectorised over curves. Alternatives stand beside it and are taken per
curve where their leave-one-out error is smaller by enough to matter.
"""

import functools
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import optimize, stats

# name: (number of parameters, design of columns b -> (n x p) for linear laws)
LINEAR: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "a/b + c": lambda b: np.column_stack([1 / b, np.ones_like(b)]),
    "c": lambda b: np.ones((len(b), 1)),
    "a/b + c + d*b": lambda b: np.column_stack([1 / b, np.ones_like(b), b]),
}
POWER = "a/b^p + c"
PREFERENCE = 0.8  # another law is taken only when it cuts the leave-one-out error by a fifth: simpler is easier to carry to b unseen


def two_parameters(batch: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(a, c) of every row of `times` (curves x batch sizes, s per image), minimising relative error with a, c >= 0; NaN cells are ignored."""
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = np.isfinite(times) & (times > 0)
        u = np.where(seen, 1 / (np.asarray(batch, float) * times), 0.0)
        v = np.where(seen, 1 / times, 0.0)
        uu, vv, uv, su, sv = (u * u).sum(1), (v * v).sum(1), (u * v).sum(1), u.sum(1), v.sum(1)
        determinant = uu * vv - uv * uv
        a, c = (su * vv - sv * uv) / determinant, (sv * uu - su * uv) / determinant
        only_c, only_a = sv / vv, su / uu
    a, c = np.where(c < 0, only_a, a), np.where(c < 0, 0.0, c)
    return np.where(a < 0, 0.0, a), np.where(a < 0, only_c, c)


def _solve(law: str, batch: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, float]:
    """Parameters and squared relative error of one law on one curve."""
    if law in LINEAR:
        design = LINEAR[law](batch) / times[:, None]
        scale = np.linalg.norm(design, axis=0)
        solution, residual = optimize.nnls(design / scale, np.ones(len(times)))
        return solution / scale, residual**2

    def inner(p: float) -> tuple[np.ndarray, float]:
        design = np.column_stack([batch**-p, np.ones_like(batch)]) / times[:, None]
        solution, residual = optimize.nnls(design, np.ones(len(times)))
        return solution, residual**2

    best = optimize.minimize_scalar(lambda p: inner(p)[1], bounds=(0.3, 1.7), method="bounded", options={"xatol": 1e-3})
    solution, residual = inner(float(best.x))
    return np.append(solution, best.x), residual


def predict(law: str, parameters: np.ndarray, batch: np.ndarray) -> np.ndarray:
    """Seconds per image of a fitted law at the batch sizes."""
    b = np.asarray(batch, float)
    if law == POWER:
        return parameters[0] * b ** -parameters[2] + parameters[1]
    return LINEAR[law](b) @ parameters


def leave_one_out(law: str, batch: np.ndarray, times: np.ndarray) -> float:
    """Mean absolute relative error in predicting each point from the others; infinite when too few points remain."""
    needed = 3 if law in (POWER, "a/b + c + d*b") else 2
    if len(batch) <= needed:
        return np.inf
    errors = []
    for out in range(len(batch)):
        keep = np.arange(len(batch)) != out
        parameters, _ = _solve(law, batch[keep], times[keep])
        errors.append(abs(predict(law, parameters, batch[out : out + 1])[0] / times[out] - 1))
    return float(np.mean(errors))


def knee(law: str, parameters: np.ndarray) -> float:
    """Batch size at which time per image is twice what it tends to: a/c. Doubling the batch further wins less than a quarter.

    Infinite where c is 0 (time still falls in proportion), 0 where a is 0 (batching wins nothing); NaN for a law with no limit.
    """
    if law == "c":
        return 0.0
    if law == "a/b + c + d*b" and parameters[2] > 0:
        return float(np.sqrt(parameters[0] / parameters[2]))  # where it is fastest
    a, c = parameters[0], parameters[1]
    power = parameters[2] if law == POWER else 1.0
    return float((a / c) ** (1 / power)) if c > 0 else np.inf


def intervals(batch: np.ndarray, times: np.ndarray, confidence: float = 0.95) -> dict[str, float]:
    """Student's intervals of a and c, Fieller's of the knee a/c, from the relative residuals of one curve; NaN below three points.

    Fieller's interval (1954) is open above when c cannot be told from 0: knee_high is then infinite.
    """
    keys = ("a_low", "a_high", "c_low", "c_high", "knee_low", "knee_high")
    n = len(batch)
    if n < 3:
        return dict.fromkeys(keys, np.nan)
    design = LINEAR["a/b + c"](batch) / times[:, None]
    a, c = (float(v[0]) for v in two_parameters(batch, times[None]))
    variance = ((1 - design @ np.array([a, c])) ** 2).sum() / (n - 2)
    cov = variance * np.linalg.inv(design.T @ design)
    t = stats.t.ppf((1 + confidence) / 2, n - 2)
    low, high = _fieller(a, c, cov, t)
    half_a, half_c = t * np.sqrt(cov[0, 0]), t * np.sqrt(cov[1, 1])
    return dict(zip(keys, (max(a - half_a, 0), a + half_a, max(c - half_c, 0), c + half_c, low, high), strict=True))


def _fieller(a: float, c: float, cov: np.ndarray, t: float) -> tuple[float, float]:
    lead = c * c - t * t * cov[1, 1]
    middle = a * c - t * t * cov[0, 1]
    tail = a * a - t * t * cov[0, 0]
    root = middle * middle - lead * tail
    if root < 0:
        return 0.0, np.inf
    if lead <= 0:  # c may be 0: everything above the smaller root
        return max((tail / (middle + np.sqrt(root))) if middle > 0 else 0.0, 0.0), np.inf
    return max((middle - np.sqrt(root)) / lead, 0.0), (middle + np.sqrt(root)) / lead


def fit_curve(batch: np.ndarray, times: np.ndarray) -> dict[str, object]:
    """The law of one curve (>= 2 batch sizes, s per image): a_s, c_s, error (median, relative), intervals, and the chosen law with its own.

    Keys: a_s, c_s, knee, error, max_error, loo_error, n, law (chosen), law_parameters, law_error, law_loo_error, law_knee, and intervals().
    """
    batch, times = np.asarray(batch, float), np.asarray(times, float)
    order = np.argsort(batch)
    return dict(_fit_curve(tuple(batch[order].tolist()), tuple(times[order].tolist())))


@functools.lru_cache(maxsize=4096)
def _fit_curve(batches: tuple[float, ...], seconds: tuple[float, ...]) -> dict[str, object]:
    """fit_curve of sorted batch sizes, kept: a table, its figure and a prediction ask for the same curve."""
    batch, times = np.array(batches), np.array(seconds)
    a, c = (float(v[0]) for v in two_parameters(batch, times[None]))
    standard = np.array([a, c])
    errors = np.abs(predict("a/b + c", standard, batch) / times - 1)
    loo = {law: leave_one_out(law, batch, times) for law in (*LINEAR, POWER)}
    best = min(loo, key=lambda law: loo[law])
    law = best if loo[best] < PREFERENCE * loo["a/b + c"] else "a/b + c"
    parameters = standard if law == "a/b + c" else _solve(law, batch, times)[0]
    own = np.abs(predict(law, parameters, batch) / times - 1)
    return {
        "a_s": a,
        "c_s": c,
        "knee": knee("a/b + c", standard),
        "error": float(np.median(errors)),
        "max_error": float(errors.max()),
        "loo_error": loo["a/b + c"],
        "n": len(batch),
        **intervals(batch, times),
        "law": law,
        "law_parameters": tuple(map(float, parameters)),
        "law_error": float(np.median(own)),
        "law_loo_error": loo[law],
        "law_knee": knee(law, parameters),
    }


def fit(frame: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """One row per curve (group of `by`) with two batch sizes or more; the frame needs batch_size and image_s (seconds per image)."""
    rows = []
    medians = frame.groupby([*by, "batch_size"], dropna=False, sort=True)["image_s"].median()
    for key, curve in medians.groupby(level=list(range(len(by))), dropna=False, sort=True) if len(medians) else ():
        if len(curve) >= 2:
            names = key if isinstance(key, tuple) else (key,)
            sizes = curve.index.get_level_values(-1).to_numpy(float)
            rows.append(dict(zip(by, names, strict=True)) | fit_curve(sizes, curve.to_numpy(float)))
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=[*by, "a_s", "c_s", "knee", "error", "loo_error", "n", "law"])
