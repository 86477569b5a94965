"""Carry measurements over from one machine to another that only a few calibration networks were measured on.

The logarithm of the ratio of both times is a Gaussian process over what the networks are made of and how fast the source runs them (Rasmussen and
Williams 2006): a plain scale factor where that is all the calibration networks support, and more where they support more, averaged by evidence over
how strong the process and the noise are. Networks far off the rest weigh less (Huber's weights on left-out errors), so that one odd network bends no others.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.predict.conformal import COVERAGE, half_width
from analysis.predict.networks import Networks
from runner.networks.informative import kernel, standardised

SIZES = 5  # of runner.networks.informative.descriptors, the first columns: sizes; the others are shares
PRIOR = 4  # networks that the prior counts as, where there are few to learn from
# Standard deviations of the log ratio that sizes and rates (linear), shares of operator groups (linear), both together (smooth) and the family explain,
# and of noise: most likely values (marginal likelihood) on public results of GPUs, and of a GPU and a CPU.
LIKE = (0.053, 0.015, 0.191, 0.038, 0.043)
UNLIKE = (0.325, 0.018, 0.470, 0.180, 0.056)
STRENGTHS = (0.0, 0.5, 1.0, 2.0)  # of the process's standard deviations; 0 is the scale factor
NOISES = (0.5, 1.0, 2.0)
SCALE_SPREAD = {False: 0.12, True: 0.42}  # noise around a mere scale factor, by `unlike`
WIDE = 9.0  # variance of the scale factor's logarithm: anything goes
CLIP = 1.5  # left-out errors beyond this many standard deviations weigh less


@dataclass(frozen=True)
class _Fit:
    """One strength and noise: log evidence, inverse covariance, pull of the calibration networks, variances of the components, and left-out errors."""

    evidence: float
    inverse: np.ndarray
    pull: np.ndarray
    strength: float
    noise: float  # variance
    residuals: np.ndarray
    variances: np.ndarray


@dataclass(frozen=True)
class Transfer:
    """Made by carry(). `source_log` gives the log time per image on the source of any network, and its log standard deviation."""

    population: np.ndarray
    calibration: Networks
    points: np.ndarray
    centre: float
    parts: tuple[float, ...]
    fits: tuple[_Fit, ...]
    shares: np.ndarray
    residuals: np.ndarray
    quantile: float
    least: float  # of the interval's half width, in logarithms
    source_log: Callable[[Networks], tuple[np.ndarray, np.ndarray]]

    @property
    def errors(self) -> np.ndarray:
        """Absolute relative errors of the calibration networks, each left out."""
        return np.abs(np.expm1(-self.residuals))

    def log(self, n: Networks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Logarithm of the time per batch on the target, its standard deviation here, and that of the source's time."""
        source, source_sd = self.source_log(n)
        points = standardised(_describe(n, source), self.population)
        cross = _process(points, self.points, n.family, self.calibration.family, self.parts)
        means = np.array([f.strength**2 * (cross @ f.pull) + WIDE * f.pull.sum() for f in self.fits])
        own = _own_variance(points, self.parts)
        variances = np.array([_variance(f, f.strength**2 * cross, f.strength**2 * own) for f in self.fits])
        mean = self.shares @ means
        sd = np.sqrt(self.shares @ (variances + (means - mean) ** 2))
        return source + self.centre + mean + np.log(n.batch), sd, source_sd

    def predict(self, n: Networks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(value, low, high) per batch on the target, with 90 % intervals."""
        log, sd, source_sd = self.log(n)
        half = np.hypot(np.maximum(self.quantile * sd, self.least), stats.norm.ppf((1 + COVERAGE) / 2) * source_sd)
        return np.exp(log), np.exp(log - half), np.exp(log + half)


def carry(population: Networks, calibration: Networks, y: np.ndarray, source_log: Callable[[Networks], tuple[np.ndarray, np.ndarray]],
          unlike: bool = False) -> Transfer:  # fmt: skip
    """The Transfer from calibration networks with times y per batch on the target; `population` are networks known on the source.

    `unlike`: source and target are different kinds of processor, so that with few calibration networks less is taken for granted.
    """
    reference = _describe(population, source_log(population)[0])
    source = source_log(calibration)[0]
    points = standardised(_describe(calibration, source), reference)
    ratio = np.log(y / calibration.batch) - source
    centre = float(np.median(ratio))
    parts = UNLIKE if unlike else LIKE
    covariance = _process(points, points, calibration.family, calibration.family, parts)
    weights = _weights(covariance, ratio - centre, parts[-1])
    fits = [_fit(covariance, ratio - centre, strength, noise * parts[-1], weights) for strength in STRENGTHS[1:] for noise in NOISES]
    fits.append(_fit(covariance, ratio - centre, 0.0, SCALE_SPREAD[unlike], np.ones(len(y))))
    evidence = np.array([f.evidence for f in fits])
    shares = np.exp(evidence - evidence.max())
    shares /= shares.sum()
    least, quantile, residuals = 0.0, _student(len(y)), np.full(len(y), np.nan)
    if len(y) >= 3:
        means = np.array([f.residuals for f in fits])
        residuals = shares @ means
        sd = np.sqrt(shares @ (np.array([f.variances for f in fits]) + (means - residuals) ** 2))
        if (
            len(y) >= 9
        ):  # the largest of ten residuals is a rough quantile: it must not promise more than like processors keep, until there are many
            quantile = max(half_width(residuals / sd), 1.0)
            least = float(stats.norm.ppf((1 + COVERAGE) / 2) * LIKE[-1] * np.sqrt(10 / len(y)))
    return Transfer(reference, calibration, points, centre, parts, tuple(fits), shares, residuals, quantile, least, source_log)


def _student(n: int) -> float:
    return float(stats.t.ppf((1 + COVERAGE) / 2, n - 1 + PRIOR))


def _describe(n: Networks, source: np.ndarray) -> np.ndarray:
    """Columns: intensity and the work per second of the source, then the shares of the operator groups. source: log seconds per image."""
    table = n.described
    macs, moved, operators = n.macs.sum(1) + 1, n.bytes.sum(1) + 1, n.count.sum(1) + 1
    rates = np.log(np.column_stack([macs, moved, n.params + 1, operators])) - source[:, None]
    return np.column_stack([table[:, 0], source, rates, table[:, SIZES:]])


def _process(a: np.ndarray, b: np.ndarray, family_a: np.ndarray, family_b: np.ndarray, parts: tuple[float, ...]) -> np.ndarray:
    """Covariance of the log ratios of networks at points a with those at points b."""
    sizes, shares = slice(0, 6), slice(6, None)
    linear = [a[:, s] @ b[:, s].T / a[:, s].shape[1] for s in (sizes, shares)]
    kin = (family_a[:, None] == family_b[None, :]) * kernel(2 * a, 2 * b)
    return parts[0] ** 2 * linear[0] + parts[1] ** 2 * linear[1] + parts[2] ** 2 * kernel(a, b) + parts[3] ** 2 * kin


def _own_variance(a: np.ndarray, parts: tuple[float, ...]) -> np.ndarray:
    """The process's variance at points a."""
    linear = [(a[:, s] ** 2).mean(1) for s in (slice(0, 6), slice(6, None))]
    return parts[0] ** 2 * linear[0] + parts[1] ** 2 * linear[1] + parts[2] ** 2 + parts[3] ** 2


def _weights(covariance: np.ndarray, ratio: np.ndarray, noise: float) -> np.ndarray:
    """Weight of each calibration network: its noise's variance is divided by it."""
    weights = np.ones(len(ratio))
    for _ in range(4):
        inverse = np.linalg.inv(covariance + WIDE + np.diag(noise**2 / weights))
        standard = np.abs(inverse @ ratio) / np.sqrt(np.diag(inverse))
        weights = (CLIP / np.maximum(standard, CLIP)) ** 2
    return weights


def _fit(covariance: np.ndarray, ratio: np.ndarray, strength: float, noise: float, weights: np.ndarray) -> _Fit:
    inverse = np.linalg.inv(strength**2 * covariance + WIDE + np.diag(noise**2 / weights))
    pull = inverse @ ratio
    evidence = -0.5 * ratio @ pull + 0.5 * np.linalg.slogdet(inverse)[1]
    left_out = 1 / np.diag(inverse) - noise**2 / weights + noise**2  # what weighs less must not be expected to err more
    return _Fit(float(evidence), inverse, pull, strength, noise**2, pull / np.diag(inverse), left_out)


def _variance(f: _Fit, cross: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Predictive variance, noise and the scale factor's included."""
    cross = cross + WIDE
    return np.maximum(own + WIDE - (cross @ f.inverse * cross).sum(1), 0) + f.noise
