"""A predictor of one quantity on one platform: methods blended by cross-validation, its errors, and 90 % intervals.

All in logarithms. A network of a family that training knows is predicted by the blend that does best when one network is left out, one of
a new family by the blend that does best when a family is, each with those errors as its interval; and one with an operator group that
training never saw by a coarse law, with the errors that this law makes when each group in turn is kept from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import threadpoolctl
from scipy.optimize import nnls

from analysis.predict.conformal import jackknife_plus
from analysis.predict.law import Law, Method, View, fit, view
from analysis.predict.networks import DESIGNS, Networks, unseen_groups
from analysis.predict.novelty import Novelty, novelty
from runner.networks.informative import GROUPS

METHODS = tuple(Method(design, ridge) for design in ("groups", "kin") for ridge in (0.003, 0.02, 0.1)) + (Method("size", 0.02),)
COARSE = (Method("kin", 0.02), Method("size", 0.02))
FEWEST = 5  # networks to fit from
FOLDS = 40  # left-out fits of each kind at most: leave-one-out up to 40 networks, then as many folds
FOLDS_MANY = 16  # above MANY networks, where one more or less changes nothing
MANY = 200
FOLDS_CHOICE = 8  # to choose the blend
CAP = 0.7  # a log error beyond this says no more about a method: one odd network must not choose it


@dataclass(frozen=True)
class LeftOut:
    """Fits that each left some rows out. Row i of the errors was predicted by laws[fold[i]]; `novelty`: how unlike the others each row was then."""

    laws: tuple[Law, ...]
    fold: np.ndarray
    residuals: np.ndarray
    novelty: np.ndarray | None = None

    @property
    def errors(self) -> np.ndarray:
        """Absolute relative errors of the left-out predictions."""
        return np.abs(np.expm1(-self.residuals))

    def interval(self, seen: View, novelty: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Jackknife+ interval of the logarithm; `novelty` of each network, where the rows have theirs."""
        by_law = np.array([law.log(seen) for law in self.laws]).T
        if novelty is None or self.novelty is None:
            return jackknife_plus(by_law[:, self.fold], self.residuals)
        return jackknife_plus(by_law[:, self.fold], self.residuals / self.novelty, novelty)


@dataclass(frozen=True)
class Prediction:
    """m predictions, their 90 % intervals, operator groups and families that training had not seen, and which errors gave the interval."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    unseen: tuple[tuple[str, ...], ...]
    new_family: np.ndarray
    basis: np.ndarray


@dataclass(frozen=True)
class Blend:
    """A law and the same law with rows left out."""

    law: Law
    left: LeftOut

    def __str__(self) -> str:
        parts = sorted(zip(self.law.shares, self.law.methods, strict=True), key=lambda p: -p[0])
        return " + ".join(f"{100 * share:.0f} % {method}" for share, method in parts)


@dataclass(frozen=True)
class Predictor:
    """Made by train(): `near` for networks of known families, `far` for new families, `coarse` laws for unseen operator groups."""

    known: Networks
    y: np.ndarray
    near: Blend
    far: Blend
    coarse: tuple[Blend, ...]
    novelty: Novelty

    def predict(self, n: Networks, alike: bool = False) -> Prediction:
        """Predict networks at their batch sizes. `alike`: intervals by the left-out errors as they are, however unlike training a network is."""
        seen = view(n, self.known)
        unseen = unseen_groups(self.known, n)
        new_family = ~np.isin(n.family, self.known.family)
        value, low, high = np.empty(len(n)), np.empty(len(n)), np.empty(len(n))
        novel = None if alike else self.novelty.of(n)
        basis = np.where(new_family, "leave-family-out", "leave-one-out").astype(object)
        for blend, rows in ((self.near, ~new_family), (self.far, new_family)):
            if rows.any():
                value[rows] = blend.law.log(seen[rows])
                low[rows], high[rows] = blend.left.interval(seen[rows], None if novel is None else novel[rows])
        for i in np.flatnonzero([bool(groups) for groups in unseen]):
            one = seen[np.array([i])]
            blend = self.coarse[0 if _kin_known(self.known, one) else 1]
            value[i] = blend.law.log(one)[0]
            low[i], high[i] = (side[0] for side in blend.left.interval(one))
            basis[i] = "leave-group-out"
        return Prediction(np.exp(value), np.exp(np.minimum(low, value)), np.exp(np.maximum(high, value)), tuple(unseen), new_family, basis)


@threadpoolctl.threadpool_limits.wrap(limits=1)  # small matrices: more threads only spin beside busy neighbours
def train(known: Networks, y: np.ndarray, roofline: bool = True) -> Predictor:
    """Blend the methods by cross-validation, fit, and keep the left-out fits for the intervals.

    y: positive, per batch. Raises ValueError with fewer than FEWEST networks.
    """
    count = len(set(known.model))
    if count < FEWEST:
        raise ValueError(f"{count} networks were measured; a predictor needs {FEWEST} at least")
    unlike = novelty(known)
    seen, weights, everything = view(known, known), _once(known), np.ones(len(y), bool)
    most = FOLDS if count <= MANY else FOLDS_MANY

    def left_out(
        methods: Sequence[Method], shares: np.ndarray, fold: np.ndarray, relatives: bool, novel: np.ndarray | None = None
    ) -> LeftOut:
        laws = tuple(fit(methods, shares, seen, y, weights, fold != k, roofline, relatives) for k in range(fold.max() + 1))
        logs = np.array([law.log(seen) for law in laws])
        return LeftOut(laws, fold, np.log(y) - logs[fold, np.arange(len(y))], novel)

    def blend(names: np.ndarray) -> Blend:
        names = names if len(set(names)) > 1 else known.model  # one family only: leave models out instead
        each = [left_out([m], np.ones(1), folds(names, FOLDS_CHOICE), False).residuals for m in METHODS]
        methods, shares = _stack(METHODS, np.array(each).T, weights)
        return Blend(
            fit(methods, shares, seen, y, weights, everything, roofline),
            left_out(methods, shares, folds(names, most), True, unlike.left_out),
        )

    coarse = tuple(
        Blend(fit([m], np.ones(1), seen, y, weights, everything, roofline, False), _leave_groups_out(m, seen, y, weights, roofline))
        for m in COARSE
    )
    return Predictor(known, y, blend(known.model), blend(known.family), coarse, unlike)


def folds(names: np.ndarray, most: int) -> np.ndarray:
    """A fold for every row: rows of one name stay together; names are dealt to at most `most` folds, larger ones first."""
    unique, index, counts = np.unique(names.astype(str), return_inverse=True, return_counts=True)
    deal, load = np.empty(len(unique), int), np.zeros(min(most, len(unique)), int)
    for name in np.argsort(-counts, kind="stable"):
        deal[name] = int(load.argmin())
        load[deal[name]] += counts[name]
    return deal[index]


def _stack(methods: Sequence[Method], residuals: np.ndarray, weights: np.ndarray) -> tuple[list[Method], np.ndarray]:
    """Non-negative shares, summing to 1, that make the blend's left-out log errors least; drawn towards equal shares, small ones dropped."""
    count, scale = residuals.shape[1], np.sqrt(len(residuals))
    errors = np.clip(residuals, -CAP, CAP) * np.sqrt(weights)[:, None]
    system = np.vstack([errors, 0.03 * scale * np.eye(count), 30 * scale * np.ones((1, count))])
    shares, _ = nnls(system, np.append(np.zeros(len(residuals) + count), 30 * scale))
    keep = shares > 0.05 * shares.sum()
    return [m for m, k in zip(methods, keep, strict=True) if k], shares[keep] / shares[keep].sum()


def _leave_groups_out(method: Method, seen: View, y: np.ndarray, weights: np.ndarray, roofline: bool) -> LeftOut:
    """Errors on the networks that have an operator group when only those without it were fitted."""
    laws: list[Law] = []
    fold: list[int] = []
    rows: list[int] = []
    for j in range(len(GROUPS)):
        has = seen.n.count[:, j] > 0
        if has.any() and (~has).sum() >= FEWEST:
            fold += [len(laws)] * int(has.sum())
            rows += np.flatnonzero(has).tolist()
            laws.append(fit([method], np.ones(1), seen, y, weights, ~has, roofline, False))
    if not laws:  # every network has every group: halves instead
        half = folds(seen.n.family if len(set(seen.n.family)) > 1 else seen.n.model, 2)
        laws = [fit([method], np.ones(1), seen, y, weights, half != k, roofline, False) for k in (0, 1)]
        fold, rows = half.tolist(), list(range(len(y)))
    logs = np.array([law.log(seen) for law in laws])
    return LeftOut(tuple(laws), np.array(fold), np.log(y[rows]) - logs[fold, rows])


def _kin_known(known: Networks, one: View) -> bool:
    """True when training has a relative of every kind of work that the network does."""
    return bool(((one.columns["kin"] > 0) <= (DESIGNS["kin"](known) > 0).any(0)).all())


def _once(known: Networks) -> np.ndarray:
    """Weights that count each model once, however many batch sizes it was measured at; their mean is 1."""
    _, index, counts = np.unique(known.model.astype(str), return_inverse=True, return_counts=True)
    weights = 1 / counts[index]
    return weights / weights.mean()
