"""The chance that at least one of many networks meets a limit, when their errors of prediction are not independent.

Errors are Student's t. What makes their tails heavy, not knowing how well the device is predicted at all, is one for all networks (a multivariate t); and
networks of one family, in whatever backend, are off together. Taken for independent, a thousand chances of a thousandth each would add up to a certainty.
"""

import functools

import numpy as np
from scipy import special, stats

SHARED = 0.5  # of the variance of an error: what the family shares
SCALES, SHIFTS = 32, 12  # nodes of the integrals over the common scale and over a family's error


def any_meets(z: np.ndarray, other: np.ndarray, family: np.ndarray, freedom: float) -> float:
    """Chance that any of m networks meets all limits.

    z: (log limit - log expected time) / standard deviation; other: chance to meet the limits beside latency; family: m names; freedom: of Student's t.
    """
    if len(z) == 0:
        return 0.0
    scales, (shifts, weights) = _scales(freedom), _shifts()
    order = np.argsort(family.astype(str), kind="stable")
    starts = np.flatnonzero(np.append(True, family[order][1:] != family[order][:-1]))
    near = (z[order][None, None, :] / scales[:, None, None] - np.sqrt(SHARED) * shifts[None, :, None]) / np.sqrt(1 - SHARED)
    with np.errstate(divide="ignore"):
        none = np.add.reduceat(np.log1p(-np.minimum(other[order] * special.ndtr(near), 1)), starts, axis=2)  # scales, shifts, families
    by_family = np.einsum("s,isf->if", weights, np.exp(none))
    return float(1 - np.prod(by_family, axis=1).mean())


@functools.cache
def _scales(freedom: float) -> np.ndarray:
    """Equally likely values of what a normal error is multiplied by to be Student's."""
    return np.asarray(np.sqrt(freedom / stats.chi2.ppf((np.arange(SCALES) + 0.5) / SCALES, freedom)))


@functools.cache
def _shifts() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of a standard normal."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(SHIFTS)
    return nodes, weights / weights.sum()
