"""A device's own predictor and what is carried over from other machines, blended by cross-validated weights.

All in logarithms. Each part has left-out errors on the networks that were measured; the weights, none negative and together 1, make the blend's
left-out errors least. With hardly anything measured, machines of the same kind count alike and the others not at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import threadpoolctl
from scipy.optimize import nnls

from analysis.predict import predictor, transfer
from analysis.predict.networks import Networks

FEW = 3  # networks from which left-out errors say anything
NEAR_BATCH = 2.0  # a source whose times are per image, whatever the batch size, is used within this factor of the calibration's batch size
DRAW = 0.3  # how strongly shares are drawn to those of before anything was measured: a summed squared log error of its square
LEAST_SHARE = 0.05
SURE = 2.0  # standard errors by which unlike machines must lessen the left-out errors to be used
WIDEST = 5.0  # half width of an interval, in logarithms: no more is said than "anything"


@dataclass(frozen=True)
class Source:
    """A machine that times may be carried over from: networks known there, and log seconds per image (with its sd) of any."""

    name: str
    nets: Networks
    log: Callable[[Networks], tuple[np.ndarray, np.ndarray]]
    unlike: bool
    by_batch: bool = False  # knows times at the batch size asked for; otherwise the same per image at any
    names: frozenset[str] | None = None  # networks that were timed there; None: those of `nets`


@dataclass(frozen=True)
class Part:
    """One predictor of the blend: its share, and its left-out log errors (NaN for rows that it says nothing of)."""

    name: str
    share: float
    residuals: np.ndarray
    carried: transfer.Transfer | None
    batch: float  # of its calibration; NaN where any will do


@dataclass(frozen=True)
class Blended:
    """Made by blend()."""

    parts: tuple[Part, ...]
    own: predictor.Predictor | None
    residuals: np.ndarray  # of the blend on the measured rows, left out

    @property
    def errors(self) -> np.ndarray:
        """Absolute relative errors of the left-out predictions."""
        return np.abs(np.expm1(-self.residuals[np.isfinite(self.residuals)]))

    def predict(self, n: Networks, alike: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(value, low, high) per batch, with 90 % intervals; `alike` as predictor.Predictor.predict takes it."""
        logs: list[np.ndarray] = []
        halves: list[np.ndarray] = []
        shares: list[np.ndarray] = []
        for part in self.parts:
            if part.carried is None:
                assert self.own is not None
                got = self.own.predict(n, alike)
                low = np.maximum(got.low, got.value * np.exp(-WIDEST))
                log, half = np.log(got.value), np.minimum(np.maximum(np.log(got.high / got.value), np.log(got.value / low)), WIDEST)
            else:
                value, low, _ = part.carried.predict(n)
                log, half = np.log(value), np.log(value / low)
            fits = np.isnan(part.batch) | (np.abs(np.log(n.batch / part.batch)) <= np.log(NEAR_BATCH))
            logs.append(log)
            halves.append(half)
            shares.append(part.share * np.where(fits, 1.0, 1e-6))
        weights = np.array(shares) / np.sum(shares, axis=0)
        log, half = (weights * np.array(logs)).sum(0), (weights * np.array(halves)).sum(0)
        return np.exp(log), np.exp(log - half), np.exp(log + half)


@threadpoolctl.threadpool_limits.wrap(limits=1)
def blend(known: Networks, y: np.ndarray, sources: Sequence[Source], own: predictor.Predictor | None) -> Blended | None:
    """The Blended of a device's own predictor (None where too little was measured) and of transfers from other machines; None without either.

    known, y: networks that were measured and their times per batch.
    """
    parts = [] if own is None else [Part("own", 1.0, own.near.left.residuals, None, np.nan)]
    for source in sources:
        rows = _calibration(known, source)
        if len(rows) == 0 or own is not None and source.unlike and not source.by_batch:
            continue  # a public machine of another regime only ever worsened a device's own predictor (the H100's and the Nano's batch 1)
        carried = transfer.carry(source.nets, known[rows], y[rows], source.log, source.unlike)
        residuals = np.full(len(y), np.nan)
        residuals[rows] = carried.residuals
        parts.append(Part(source.name, 1.0, residuals, carried, np.nan if source.by_batch else float(known.batch[rows[0]])))
    if not parts:
        return None
    shares = _shares(parts)
    kept = [Part(p.name, float(s), p.residuals, p.carried, p.batch) for p, s in zip(parts, shares, strict=True) if s > 0]
    total = np.array([np.where(np.isfinite(p.residuals), p.share, 0) for p in kept])
    with np.errstate(invalid="ignore"):
        residuals = np.nansum([p.share * p.residuals for p in kept], axis=0) / np.where(total.sum(0) > 0, total.sum(0), np.nan)
    return Blended(tuple(kept), own if any(p.carried is None for p in kept) else None, residuals)


def _calibration(known: Networks, source: Source) -> np.ndarray:
    """Rows to carry over with: each network once, at the batch size that most were measured at."""
    names = set(map(str, source.nets.model)) if source.names is None else source.names
    there = np.array([str(model) in names for model in known.model], bool)
    rows = np.flatnonzero(there)
    if len(rows) == 0:
        return rows
    sizes, counts = np.unique(known.batch[rows], return_counts=True)
    if not source.by_batch:
        rows = rows[known.batch[rows] == sizes[counts.argmax()]]
    return rows[np.sort(np.unique(known.model[rows].astype(str), return_index=True)[1])]


def _shares(parts: Sequence[Part]) -> np.ndarray:
    """Non-negative shares that sum to 1."""
    errors = np.array([p.residuals for p in parts])
    both = np.isfinite(errors).all(0)
    prior = _prior(parts)
    if both.sum() < FEW:
        return prior
    clipped = np.clip(errors[:, both], -predictor.CAP, predictor.CAP).T
    many = len(parts)
    system = np.vstack([clipped, DRAW * np.eye(many), 100 * np.ones((1, many))])
    shares, _ = nnls(system, np.concatenate([np.zeros(len(clipped)), DRAW * prior, [100]]))
    shares = np.where(shares > LEAST_SHARE * shares.sum(), shares, 0)
    shares /= shares.sum()
    own = np.array([p.carried is None for p in parts])
    if own.any() and prior[own].sum() == 1:  # unlike machines alone: they take part only where they help beyond doubt
        gained = np.abs(clipped[:, own].ravel()) - np.abs(clipped @ shares)
        if gained.mean() < SURE * gained.std(ddof=1) / np.sqrt(len(gained)):
            return prior
    return shares


def _prior(parts: Sequence[Part]) -> np.ndarray:
    """Shares before anything is known: machines of the same kind alike; without any, the device's own predictor; without that, all alike."""
    own = np.array([float(p.carried is None) for p in parts])
    near = np.array([float(p.carried is not None and p.carried.parts == transfer.LIKE) for p in parts])
    best = next(shares for shares in (near, own, np.ones(len(parts))) if shares.sum())
    return best / best.sum()
