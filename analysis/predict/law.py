"""The cost law: time (or memory, or energy) as a sum of non-negative costs per unit of work.

y = sum of c_j x_j with c >= 0, fitted on relative errors with a ridge penalty on the scaled columns and Huber's weights, so that a
network that runs on an odd path does not bend the others. Several such laws (methods) are blended, and what relatives deviate together
is added: a Gaussian process on the blend's residuals in which only networks of one family, the more the more alike, know of each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from analysis.predict.networks import DESIGNS, Networks
from runner.networks.informative import kernel, standardised

HUBER = 1.5  # residuals beyond this many robust standard deviations weigh less
SLACK = 1.5  # a prediction may imply a rate this much above the best that was measured, never more
ODD = 4.0  # and beyond this many its deviation pulls its relatives no further
RELATIVES = 2.0  # variance that relatives share, over the variance of one network's own deviation


@dataclass(frozen=True)
class Method:
    """How to fit one law: which columns and how strong a ridge."""

    design: str
    ridge: float

    def __str__(self) -> str:
        return f"{self.design} (ridge {self.ridge:g})"


@dataclass(frozen=True)
class View:
    """Networks as the laws see them: columns of each design, and their kinship (n, rows of training)."""

    n: Networks
    columns: Mapping[str, np.ndarray]
    kinship: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> "View":
        return View(self.n[rows], {name: c[rows] for name, c in self.columns.items()}, self.kinship[rows])


def view(n: Networks, known: Networks) -> View:
    """A View of networks against the training's."""
    reference = known.described
    points = standardised(n.described, reference)
    kinship = kernel(points, standardised(reference)) * (n.family[:, None] == known.family[None, :])
    return View(n, {name: design(n) for name, design in DESIGNS.items()}, kinship)


@dataclass(frozen=True)
class Law:
    """A fitted blend: coefficients per method, their shares, pull of every row of training on its relatives, least cost per unit of work."""

    methods: tuple[Method, ...]
    shares: np.ndarray
    coefficients: tuple[np.ndarray, ...]
    pull: np.ndarray
    floor: tuple[float, float]

    def log(self, seen: View) -> np.ndarray:
        """Logarithm of the prediction for each network, never below the roofline."""
        value = _blend(self.methods, self.shares, self.coefficients, seen) + seen.kinship @ self.pull
        return np.maximum(value, np.log(np.maximum(self.bound(seen.n), 1e-300)))

    def bound(self, n: Networks) -> np.ndarray:
        """The roofline: work over the best rates that were measured, with some slack."""
        return np.maximum(self.floor[0] * n.total_macs, self.floor[1] * n.total_bytes)


def fit(methods: Sequence[Method], shares: np.ndarray, seen: View, y: np.ndarray, weights: np.ndarray, train: np.ndarray, roofline: bool = True,
        relatives: bool = True) -> Law:  # fmt: skip
    """The blend fitted on the rows `train` (bool) of all networks; y positive; `weights` let a network measured at several batch sizes count once."""
    part, target, weights = seen[train], y[train], weights[train]
    coefficients = tuple(_fit_one(m, part.columns[m.design], target, weights) for m in methods)
    pull = np.zeros(seen.kinship.shape[1])
    if relatives:
        residual = np.log(target) - _blend(methods, shares, coefficients, part)
        limit = ODD * max(1.48 * float(np.median(np.abs(residual))), 0.04)
        residual = np.clip(residual, -limit, limit)  # an odd network must not pull its relatives after it
        index = np.flatnonzero(train)
        for family in set(part.n.family):
            own = part.n.family == family
            covariance = RELATIVES * seen.kinship[np.ix_(index[own], index[own])] + np.diag(1 / weights[own])
            pull[index[own]] = RELATIVES * np.linalg.solve(covariance, residual[own])
    floor = (0.0, 0.0)
    if roofline:
        macs, moved = (float(np.min(target / np.maximum(work, 1e-9))) / SLACK for work in (part.n.total_macs, part.n.total_bytes))
        floor = (macs, moved)
    return Law(tuple(methods), np.asarray(shares, float), coefficients, pull, floor)


def _blend(methods: Sequence[Method], shares: np.ndarray, coefficients: Sequence[np.ndarray], seen: View) -> np.ndarray:
    each = [np.log(np.maximum(seen.columns[m.design] @ c, 1e-300)) for m, c in zip(methods, coefficients, strict=True)]
    return np.asarray(shares) @ np.array(each)


def _fit_one(method: Method, columns: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Coefficients of one law: relative ridge-regularised non-negative least squares, re-weighted three times after Huber."""
    relative = columns / y[:, None]
    coefficients = _ridge(relative, weights, method.ridge)
    for _ in range(3):
        error = np.abs(relative @ coefficients - 1)
        limit = HUBER * max(1.48 * float(np.median(error)), 0.02)
        coefficients = _ridge(relative, weights * np.minimum(1, limit / np.maximum(error, 1e-9)), method.ridge)
    return coefficients


def _ridge(relative: np.ndarray, weights: np.ndarray, ridge: float) -> np.ndarray:
    """Non-negative least squares of relative @ c = 1 with a ridge penalty; columns scaled to a root mean square of 1."""
    scale = np.sqrt((relative**2).mean(0))
    used = scale > 0
    scaled = relative[:, used] / scale[used]
    gram = (scaled * weights[:, None]).T @ scaled + ridge * len(relative) * np.eye(scaled.shape[1])
    triangle = np.linalg.cholesky(gram)
    solution, _ = nnls(triangle.T, np.linalg.solve(triangle, scaled.T @ weights), maxiter=30 * len(gram))
    coefficients = np.zeros(len(scale))
    coefficients[used] = solution / scale[used]
    return coefficients
