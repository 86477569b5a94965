"""What is predicted for a set-up, by whichever of its own predictor and a transfer from another set-up errs less on networks left out."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.frame.cached import once
from analysis.predict import predictor, transfer
from analysis.predict.networks import Networks
from analysis.predict.setups import BOUNDED, Setup, Table, setups, table

FAR = 1.5  # a network this much larger or smaller than all of training is an extrapolation in size
ENOUGH = 60  # networks from which on a platform's own measurements tell more than another's
SOURCES = 3  # other set-ups that a transfer is tried from
SHARED = 3  # calibration networks for a transfer to be thought of by itself


@dataclass(frozen=True)
class Estimate:
    """A predicted quantity of one network, per batch: 90 % interval, what the interval rests on, and how far it extrapolates."""

    value: float
    low: float
    high: float
    basis: str
    extrapolates: tuple[str, ...]


@dataclass(frozen=True)
class Learnt:
    """How one quantity of a set-up is predicted."""

    setup: Setup
    quantity: str
    known: Table
    own: predictor.Predictor | None
    carried: transfer.Transfer | None
    source: Setup | None

    @property
    def from_what(self) -> str:
        """In words: learnt from what, and how."""
        count = len(set(self.known.nets.model))
        if self.carried is not None:
            return f"{count} calibration networks, carried over from {self.source}"
        assert self.own is not None
        return f"{count} networks in {len(set(self.known.nets.family))} families, {len(self.known)} cells; {self.own.near}"

    @property
    def errors(self) -> dict[str, float]:
        """Median absolute relative errors of left-out predictions: one_out, and family_out where there are families to leave out."""
        if self.carried is not None:
            return {"one_out": float(np.median(self.carried.errors))}
        assert self.own is not None
        return {"one_out": float(np.median(self.own.near.left.errors)), "family_out": float(np.median(self.own.far.left.errors))}

    def predict(self, n: Networks) -> list[Estimate]:
        """An Estimate per network."""
        value, low, high, basis, notes = self._raw(n)
        known = self.known.nets.batch
        _, low_end, high_end, _, _ = self._raw(replace(n, batch=np.clip(n.batch, known.min(), known.max())))
        low, high, outside = _beyond_batches(n, known, (low_end, high_end), low, high)
        size = _size(n, self.known.nets)
        low, high = np.minimum(low, value), np.maximum(high, value)
        return [
            Estimate(float(value[i]), float(low[i]), float(high[i]), str(basis[i]), (*notes[i], *size[i], *outside[i]))
            for i in range(len(n))
        ]

    def _raw(self, n: Networks) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[tuple[str, ...]]]:
        """Value, interval, basis and notes on what is unknown, whatever the batch size."""
        if self.carried is not None:
            value, low, high = self.carried.predict(n)
            return value, low, high, np.full(len(n), "leave-one-out of the calibration networks", object), [()] * len(n)
        assert self.own is not None
        got = self.own.predict(n)
        notes = [_unknown(unseen, new, family) for unseen, new, family in zip(got.unseen, got.new_family, n.family, strict=True)]
        return got.value, got.low, got.high, got.basis, notes


def learn(frame: pd.DataFrame, setup: Setup, rows: pd.DataFrame, quantity: str, source: str | None = None) -> Learnt | None:
    """How to predict `quantity` on a set-up; None where too little was measured. `source`: carry over from that platform only."""
    whole = rows is setups(frame).get(setup)  # within `keeping` the same object: trained once, for itself and as a source of others
    known = _table(frame, setup, quantity) if whole else table(rows, quantity)
    own = None
    if source is None and len(set(known.nets.model)) >= predictor.FEWEST:
        own = _trained(frame, setup, quantity) if whole else predictor.train(known.nets, known.y, quantity in BOUNDED)
    best = Learnt(setup, quantity, known, own, None, None) if own else None
    if own is not None and len(set(known.nets.model)) >= ENOUGH:
        return best
    for other, there in _sources(frame, setup, known, quantity, source):
        carried = _carry(known, there, lambda other=other: _trained(frame, other, quantity), other.device != setup.device)  # type: ignore[misc]
        if carried and (best is None or _score(carried.residuals) < _best_score(best)):
            best = Learnt(setup, quantity, known, None, carried, other)
    return best


@once
def _table(frame: pd.DataFrame, setup: Setup, quantity: str) -> Table:
    """The whole table of a set-up."""
    return table(setups(frame)[setup], quantity)


@once
def _trained(frame: pd.DataFrame, setup: Setup, quantity: str) -> predictor.Predictor:
    """The predictor of a set-up's whole table."""
    known = _table(frame, setup, quantity)
    return predictor.train(known.nets, known.y, quantity in BOUNDED)


def _sources(frame: pd.DataFrame, setup: Setup, known: Table, quantity: str, source: str | None) -> list[tuple[Setup, Table]]:
    """Other set-ups that measured most of the same networks, at most SOURCES of them."""
    others = [(other, _table(frame, other, quantity)) for other in setups(frame) if other != setup and source in (None, other.platform)]
    return sorted(others, key=lambda item: -len(np.intersect1d(item[1].nets.model.astype(str), known.nets.model.astype(str))))[:SOURCES]


def _carry(known: Table, there: Table, train: Callable[[], predictor.Predictor], unlike: bool) -> transfer.Transfer | None:
    """The Transfer from another set-up's table, where enough networks are shared and more are known there than here."""
    shared = np.isin(known.nets.model, there.nets.model)
    models = len(set(known.nets.model[shared]))
    if models < SHARED or len(set(there.nets.model)) < max(predictor.FEWEST, len(set(known.nets.model))):
        return None
    there_own = train()
    sd = float(np.sqrt(np.mean(there_own.near.left.residuals**2)))
    measured = {(m, b): np.log(y / b) for m, b, y in zip(there.nets.model, there.nets.batch, there.y, strict=True)}

    def source_log(n: Networks) -> tuple[np.ndarray, np.ndarray]:
        guess = np.log(there_own.predict(n).value / n.batch)
        seen = [(m, b) in measured for m, b in zip(n.model, n.batch, strict=True)]
        log = [measured.get((m, b), g) for m, b, g in zip(n.model, n.batch, guess, strict=True)]
        return np.array(log), np.where(seen, 0.0, sd)

    rows = np.flatnonzero(shared)
    once = rows[np.unique(known.nets.model[rows].astype(str), return_index=True)[1]]  # a network counts once, at its first batch size
    return transfer.carry(there.nets, known.nets[once], known.y[once], source_log, unlike)


def _score(residuals: np.ndarray) -> float:
    return float(np.minimum(np.abs(residuals), predictor.CAP).mean())


def _best_score(learnt: Learnt) -> float:
    if learnt.carried is not None:
        return _score(learnt.carried.residuals)
    assert learnt.own is not None
    return _score(learnt.own.near.left.residuals)


def _unknown(unseen: tuple[str, ...], new_family: bool, family: str) -> tuple[str, ...]:
    groups = (f"operators that were never measured here ({', '.join(unseen)}): a coarser law, far less certain",) if unseen else ()
    return groups + ((f"no network of the family {family} was measured here",) if new_family else ())


def _size(n: Networks, known: Networks) -> list[tuple[str, ...]]:
    """Notes on networks whose multiply-adds or bytes per image lie beyond all of training."""
    notes: list[tuple[str, ...]] = []
    for mine, theirs, what in ((n.macs.sum(1), known.macs.sum(1), "GMACs"), (n.bytes.sum(1), known.bytes.sum(1), "GB moved")):
        low, high = theirs.min() / FAR, theirs.max() * FAR
        found = [
            ()
            if low <= v <= high
            else (f"{v / 1e9:.3g} {what} per image; measured were {theirs.min() / 1e9:.3g} to {theirs.max() / 1e9:.3g}",)
            for v in mine
        ]
        notes = [(*a, *b) for a, b in zip(notes or [()] * len(n), found, strict=True)]
    return notes


def _beyond_batches(n: Networks, known: np.ndarray, ends: tuple[np.ndarray, np.ndarray], low: np.ndarray, high: np.ndarray
                    ) -> tuple[np.ndarray, np.ndarray, list[tuple[str, ...]]]:  # fmt: skip
    """Intervals of networks at batch sizes beyond those measured, wider the further; with one measured size only, between a fixed and a proportional cost.

    ends: the interval at the nearest batch size that was measured.
    """
    ratio = n.batch / np.clip(n.batch, known.min(), known.max())
    span = known.max() / known.min()
    if span > 1:
        stretch, centre = 1 + np.abs(np.log(ratio)) / np.log(span), np.sqrt(low * high)
        low, high = centre * (low / centre) ** stretch, centre * (high / centre) ** stretch
    else:
        low = np.where(ratio > 1, ends[0], np.minimum(low, ends[0] * ratio))
        high = np.where(ratio < 1, ends[1], np.maximum(high, ends[1] * ratio))
    measured = ", ".join(f"{b:g}" for b in sorted(set(known)))
    return low, high, [() if r == 1 else (f"batch size {b:g}; measured were {measured}",) for r, b in zip(ratio, n.batch, strict=True)]
