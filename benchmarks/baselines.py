"""What the prediction is compared with: regression on size alone, and gradient boosting; each trains on some rows of a platform and predicts others."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor

from analysis.predict import predictor
from benchmarks.public_data import Platform
from runner.networks.informative import descriptors


@dataclass(frozen=True)
class Outcome:
    """Predictions of n networks against the truth, with their intervals where there are any."""

    ratio: np.ndarray
    inside: np.ndarray
    span: np.ndarray

    @property
    def error(self) -> np.ndarray:
        return np.abs(self.ratio - 1)


def outcome(value: np.ndarray, y: np.ndarray, low: np.ndarray | None = None, high: np.ndarray | None = None) -> Outcome:
    if low is None or high is None:
        return Outcome(value / y, np.full(len(y), np.nan), np.full(len(y), np.nan))
    return Outcome(value / y, ((low <= y) & (y <= high)).astype(float), np.sqrt(high / low))


def ours(train: np.ndarray, test: np.ndarray, p: Platform) -> Outcome:
    got = predictor.train(p.nets[train], p.y[train]).predict(p.nets[test])
    return outcome(got.value, p.y[test], got.low, got.high)


def log_linear(columns: Callable[[Platform], np.ndarray]) -> Callable[[np.ndarray, np.ndarray, Platform], Outcome]:
    """Least squares of log seconds per image on logarithms of the columns."""

    def run(train: np.ndarray, test: np.ndarray, p: Platform) -> Outcome:
        design = np.column_stack([np.ones(len(p.y)), np.log(np.maximum(columns(p), 1e-4))])
        log = np.log(p.y / p.nets.batch)
        solution, *_ = np.linalg.lstsq(design[train], log[train], rcond=None)
        return outcome(np.exp(design[test] @ solution) * p.nets.batch[test], p.y[test])

    return run


def boosting(train: np.ndarray, test: np.ndarray, p: Platform) -> Outcome:
    """Gradient boosting of log seconds per image on the operator features and their descriptors."""
    columns = np.hstack(
        [descriptors(p.nets.features()), np.log1p(np.hstack([p.nets.macs, p.nets.bytes, p.nets.count])), np.log(p.nets.params + 1)[:, None]]
    )
    log = np.log(p.y / p.nets.batch)
    model = GradientBoostingRegressor(n_estimators=200, max_depth=3, learning_rate=0.05, subsample=0.7, random_state=0).fit(
        columns[train], log[train]
    )
    return outcome(np.exp(model.predict(columns[test])) * p.nets.batch[test], p.y[test])


METHODS = {"Dyno": ours, "GMACs only": log_linear(lambda p: p.gmacs[:, None]),
           "GMACs + activations": log_linear(lambda p: np.column_stack([p.gmacs, p.activations])), "gradient boosting": boosting}  # fmt: skip
