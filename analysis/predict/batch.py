"""A batch size between or beyond those that a network was measured at: the batch-size law of its own curve."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.frame.cached import computed_once
from analysis.predict.conformal import half_width
from analysis.stats import batch_law

NOISE_DOWN = 0.9  # measured neighbours bound a time no better than this


@dataclass(frozen=True)
class Curve:
    """Seconds per batch by the law fitted to `batches`, with its 90 % interval from the left-out points of every curve of the set-up."""

    value: float
    low: float
    high: float
    law: str
    batches: tuple[float, ...]
    outside: bool


def at(rows: pd.DataFrame, model: str, px: float, batch: float) -> Curve | None:
    """The Curve of one network of a set-up at a batch size; None with fewer than two other batch sizes of it."""
    curves = points(rows)
    mine = curves.get((model, px))
    if mine is None or len(mine) < 2:
        return None
    batches, times = mine.index.to_numpy(float), mine.to_numpy(float) / mine.index.to_numpy(float)
    fitted = batch_law.fit_curve(batches, times)
    law, parameters = str(fitted["law"]), np.asarray(fitted["law_parameters"], float)
    value = float(batch_law.predict(law, parameters, np.array([batch]))[0]) * batch
    outside = not batches.min() <= batch <= batches.max()
    residuals = _residuals(rows, outside)
    half = half_width(residuals) if len(residuals) else np.inf
    low, high = value * np.exp(-half), value * np.exp(half)
    if outside or not np.isfinite(half):  # time of a batch lies between that of its neighbours, and is at most in proportion
        below, above = mine[mine.index <= batch], mine[mine.index >= batch]
        least = float(below.max()) if len(below) else float(mine.iloc[0]) * batch / float(mine.index[0])
        most = float(above.min()) if len(above) else float(mine.iloc[-1]) * batch / float(mine.index[-1])
        low, high = max(low, min(least, value) * NOISE_DOWN), min(high, max(most, value) / NOISE_DOWN)
    return Curve(value, float(low), float(high), law, tuple(map(float, batches)), outside)


@computed_once
def points(rows: pd.DataFrame) -> dict[tuple[str, float], pd.Series]:
    """{(model, input size): median latency by batch size} of a set-up's rows."""
    medians = rows.groupby(["model", "input_px", "batch_size"])["latency_s"].median()
    return {key: part.droplevel([0, 1]) for key, part in medians.groupby(level=[0, 1])}


@computed_once
def _residuals(rows: pd.DataFrame, ends: bool) -> np.ndarray:
    """Log errors of all curves of a set-up, see `_left_out`."""
    return np.concatenate([_left_out(curve, ends) for curve in points(rows).values()])


def _left_out(curve: pd.Series, ends: bool) -> np.ndarray:
    """Log errors of t(b) = a/b + c in predicting each inner (or outer) point of a curve from the others."""
    batches, times = curve.index.to_numpy(float), curve.to_numpy(float) / curve.index.to_numpy(float)
    if len(batches) < 3:
        return np.empty(0)
    which = (0, len(batches) - 1) if ends else range(1, len(batches) - 1)
    errors = []
    for out in which:
        keep = np.arange(len(batches)) != out
        a, c = batch_law.two_parameters(batches[keep], times[None, keep])
        errors.append(np.log(times[out]) - np.log(a[0] / batches[out] + c[0]))
    return np.array(errors)
