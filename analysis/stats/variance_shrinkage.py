"""Variance of few replicates in many cells: each cell's own, moderated by what the others' say.

With three replicates a cell's own variance is known to a factor of 40; a t test on it finds nothing, or the wrong thing. The variances
of all cells follow a scaled inverse chi-squared distribution, estimated from them (Smyth 2004, Statistical Applications in Genetics and
Molecular Biology 3(1):3); each variance is then the weighted mean of its own and of that prior's, and the test has the degrees of both.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

LEAST_CELLS = 4  # below, nothing can be learnt about how variances vary
SMALLEST_VARIANCE = 1e-4**2  # of log time: 0.01 %, what timers and rounding hide


@dataclass(frozen=True)
class Prior:
    """What the variances of all cells have in common: their scale, and its weight in degrees of freedom."""

    variance: float
    degrees: float


def prior(variances: np.ndarray, degrees: np.ndarray) -> Prior:
    """By the moments of log variances; weight 0 where there are too few of them."""
    use = degrees > 0
    if use.sum() < LEAST_CELLS:
        return Prior(float(np.average(variances[use], weights=degrees[use])) if use.any() else np.nan, 0.0)
    half = degrees[use] / 2
    logs = np.log(np.maximum(variances[use], SMALLEST_VARIANCE)) - special.digamma(half) + np.log(half)
    spread = logs.var(ddof=1) - special.polygamma(1, half).mean()
    if spread <= 0:  # no more spread than chance gives: one variance for all, as well known as all cells together
        return Prior(float(np.average(variances[use], weights=degrees[use])), float(degrees[use].sum()))
    half_degrees = _inverse_trigamma(spread)
    return Prior(float(np.exp(logs.mean() + special.digamma(half_degrees) - np.log(half_degrees))), 2 * half_degrees)


def moderate(variances: np.ndarray, degrees: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(variances, degrees of freedom) to test with; never more degrees than all cells have together."""
    common = prior(variances, degrees)
    total = np.minimum(degrees + common.degrees, degrees.sum())
    own = np.where(degrees > 0, np.nan_to_num(variances), 0.0) * degrees
    with np.errstate(invalid="ignore", divide="ignore"):
        mixed = (own + (common.degrees * common.variance if common.degrees else 0.0)) / (degrees + common.degrees)
    return np.maximum(mixed, SMALLEST_VARIANCE), total


def _inverse_trigamma(value: float) -> float:
    """x with trigamma(x) = value, by Newton's method on 1 / trigamma, which is nearly straight."""
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = special.polygamma(1, x)
        step = trigamma * (1 - trigamma / value) / special.polygamma(2, x)
        x += step
        if abs(step) < 1e-8 * x:
            break
    return float(x)
