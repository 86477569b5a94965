"""Carry measurements over from one platform to another that only a few calibration networks were measured on.

The logarithm of the ratio of both times is a Gaussian process over what the networks are made of and how fast the source runs them:
a plain scale factor where that is all the calibration networks support, a regression where they support more. Averaged over kernels and
signal-to-noise ratios by their evidence (Rasmussen and Williams 2006, chapter 5).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.predict.conformal import COVERAGE, half_width
from analysis.predict.networks import Networks
from runner.networks.informative import kernel, standardised

SIGNAL = (0.3, 1.0, 3.0, 10.0)  # variance explained by the kernel over that of noise
SIZES = 5  # of runner.networks.informative.descriptors, the first columns: sizes; the others are shares
# Spread of log ratios of times around their median: between public results of two GPUs, and of a GPU and a CPU. Counts as PRIOR networks.
LIKE, UNLIKE = 0.10, 0.37
PRIOR = 4


@dataclass(frozen=True)
class _Fit:
    """One kernel and signal-to-noise ratio: log evidence, mean and pull of the calibration networks, inverse covariance, noise variance."""

    evidence: float
    mean: float
    pull: np.ndarray
    inverse: np.ndarray
    variance: float
    signal: float
    which: int


@dataclass(frozen=True)
class Transfer:
    """Made by carry(). `source_log` gives the log time per image on the source of any network, and its log standard deviation."""

    population: np.ndarray
    points: np.ndarray
    fits: tuple[_Fit, ...]
    shares: np.ndarray
    residuals: np.ndarray
    quantile: float
    spread: float
    least: float  # of the interval's half width, in logarithms
    source_log: Callable[[Networks], tuple[np.ndarray, np.ndarray]]

    @property
    def errors(self) -> np.ndarray:
        """Absolute relative errors of the calibration networks, each left out."""
        return np.abs(np.expm1(-self.residuals))

    def predict(self, n: Networks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(value, low, high) per batch on the target, with 90 % intervals."""
        source, source_sd = self.source_log(n)
        points = standardised(_describe(n, source), self.population)
        crosses = _kernels(points, self.points)
        means = np.array([f.mean + f.signal * crosses[f.which] @ f.pull for f in self.fits])
        variances = np.array([_variance(f, f.signal * crosses[f.which], _kernels(points)[f.which]) for f in self.fits])
        mean = self.shares @ means
        sd = np.sqrt(self.shares @ (variances + (means - mean) ** 2) + self.spread**2)
        half = np.hypot(np.maximum(self.quantile * sd, self.least), stats.norm.ppf((1 + COVERAGE) / 2) * source_sd)
        log = source + mean + np.log(n.batch)
        return np.exp(log), np.exp(log - half), np.exp(log + half)


def carry(population: Networks, calibration: Networks, y: np.ndarray, source_log: Callable[[Networks], tuple[np.ndarray, np.ndarray]],
          unlike: bool = False) -> Transfer:  # fmt: skip
    """The Transfer from calibration networks with times y per batch on the target; `population` are all networks known on the source.

    `unlike`: source and target are different kinds of processor, so that with few calibration networks less is taken for granted.
    """
    reference = _describe(population, source_log(population)[0])
    source = source_log(calibration)[0]
    points = standardised(_describe(calibration, source), reference)
    ratio = np.log(y / calibration.batch) - source
    prior = UNLIKE if unlike else LIKE
    matrices = _kernels(points, points)
    fits = tuple(_fit(matrices[which], ratio, signal, which, prior) for which in range(len(matrices)) for signal in SIGNAL)
    evidence = np.array([f.evidence for f in fits])
    shares = np.exp(evidence - evidence.max())
    shares /= shares.sum()
    if len(y) < 3:  # nothing to leave out: a scale factor, as uncertain as the prior says
        return Transfer(reference, points, fits, shares, np.full(len(y), np.nan), _student(len(y)), 0.0, 0.0, source_log)
    left = [_left_out(f, ratio) for f in fits]
    residuals = shares @ np.array([residual for residual, _ in left])
    means = np.array([residual for residual, _ in left])
    sd = np.sqrt(shares @ (np.array([v for _, v in left]) + (means - residuals) ** 2))
    spread = float(np.median(sd))  # distance from the calibration networks counts for half: its own estimate is rough
    standard = residuals / np.hypot(sd, spread)
    quantile = half_width(standard) if len(y) >= 9 else _student(len(y)) / np.sqrt(2)
    # The largest of ten residuals is a rough quantile: it must not promise more than like processors keep, until there are many.
    least = float(stats.norm.ppf((1 + COVERAGE) / 2) * LIKE * np.sqrt(10 / len(y))) if len(y) >= 9 else 0.0
    return Transfer(reference, points, fits, shares, residuals, quantile, spread, least, source_log)


def _student(n: int) -> float:
    return float(stats.t.ppf((1 + COVERAGE) / 2, n - 1 + PRIOR))


def _describe(n: Networks, source: np.ndarray) -> np.ndarray:
    """Columns: intensity and the work per second of the source, then the shares of the operator groups. source: log seconds per image."""
    table = n.described
    macs, moved, operators = n.macs.sum(1) + 1, n.bytes.sum(1) + 1, n.count.sum(1) + 1
    rates = np.log(np.column_stack([macs, moved, n.params + 1, operators])) - source[:, None]
    return np.column_stack([table[:, 0], source, rates, table[:, SIZES:]])


def _kernels(a: np.ndarray, b: np.ndarray | None = None) -> list[np.ndarray]:
    """Covariances of rows of a with rows of b (or the variances of a): of sizes and rates alone, and of these, shares and neighbourhood."""
    sizes, shares = slice(0, 6), slice(6, None)
    if b is None:
        linear = [(a[:, s] ** 2).mean(1) for s in (sizes, shares)]
        return [linear[0], (linear[0] + linear[1] + 1) / 3]
    linear = [a[:, s] @ b[:, s].T / a[:, s].shape[1] for s in (sizes, shares)]
    return [linear[0], (linear[0] + linear[1] + kernel(a, b)) / 3]


def _fit(matrix: np.ndarray, ratio: np.ndarray, signal: float, which: int, prior: float) -> _Fit:
    n, ones = len(ratio), np.ones(len(ratio))
    inverse = np.linalg.inv(signal * matrix + np.eye(n))
    precision = ones @ inverse @ ones
    mean = float(ones @ inverse @ ratio / precision)
    pull = inverse @ (ratio - mean)
    freedom = n - 1 + PRIOR
    variance = float(((ratio - mean) @ pull + PRIOR * prior**2 / (1 + signal)) / freedom)
    evidence = -0.5 * (freedom * np.log(variance) - np.linalg.slogdet(inverse)[1] + np.log(precision)) + 0.5 * PRIOR * np.log(
        prior**2 / (1 + signal)
    )
    return _Fit(float(evidence), mean, pull, inverse, variance, signal, which)


def _variance(f: _Fit, cross: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Predictive variance, that of the mean included."""
    ones = np.ones(f.inverse.shape[0])
    known = (cross @ f.inverse * cross).sum(1)
    return f.variance * np.maximum(f.signal * own + 1 - known + (1 - cross @ f.inverse @ ones) ** 2 / (ones @ f.inverse @ ones), 1e-9)


def _left_out(f: _Fit, ratio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leave-one-out residuals and their variances, in closed form."""
    ones = np.ones(len(ratio))
    projected = f.inverse - np.outer(f.inverse @ ones, f.inverse @ ones) / (ones @ f.inverse @ ones)
    return projected @ ratio / np.diag(projected), f.variance / np.diag(projected)
