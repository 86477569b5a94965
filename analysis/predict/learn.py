"""What is predicted for a set-up: its own predictor, other set-ups and public machines, blended by their errors on networks left out."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.frame.cached import computed_once
from analysis.frame.setups import Setup, setups
from analysis.predict import predictor, public
from analysis.predict.blend import Blended, Source, blend
from analysis.predict.networks import Networks
from analysis.predict.tables import BOUNDED, Table, table

FAR = 1.5  # a network this much larger or smaller than all of training is an extrapolation in size
SOURCES = 3  # other set-ups that a transfer is tried from
HARDLY = 2  # measured networks of a family that say too little of how oddly it runs
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
    blended: Blended

    @property
    def from_what(self) -> str:
        """In words: learnt from what, and how."""
        count, families = len(set(self.known.nets.model)), len(set(self.known.nets.family))
        measured = f"{count} networks in {families} families, {len(self.known)} cells"
        parts = sorted(self.blended.parts, key=lambda part: -part.share)
        if len(parts) == 1 and self.own is not None and parts[0].carried is None:
            return f"{measured}; {self.own.near}"
        return f"{measured}; " + " + ".join(
            f"{100 * part.share:.0f} % {'by these alone' if part.carried is None else f'carried over from {part.name}'}" for part in parts
        )

    @property
    def errors(self) -> dict[str, float]:
        """Median absolute relative errors of left-out predictions: one_out, and family_out where there are families to leave out."""
        errors = self.blended.errors
        out = {"one_out": float(np.median(errors))} if len(errors) else {}
        if self.own is not None and all(part.carried is None for part in self.blended.parts):
            out["family_out"] = float(np.median(self.own.far.left.errors))
        return out

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
        alone = self.own is not None and all(part.carried is None for part in self.blended.parts)
        got = self.own.predict(n) if self.own is not None else None
        notes: list[tuple[str, ...]] = [()] * len(n)
        mine = got is not None and (alone or max(self.blended.parts, key=lambda part: part.share).carried is None)
        if got is not None and mine:
            notes = [_unknown(unseen, new, family) for unseen, new, family in zip(got.unseen, got.new_family, n.family, strict=True)]
        if got is not None and alone:
            value, low, high, basis = got.value, got.low, got.high, got.basis
        else:
            (value, low, high), basis = self.blended.predict(n), np.full(len(n), "each measured network left out", object)
        if mine and self.quantity == "latency_s":
            low, high, notes = _odd(n, self.known.nets, public.odd_families(self.setup.device), low, high, notes)
        return value, low, high, basis, notes


def learn(frame: pd.DataFrame, setup: Setup, rows: pd.DataFrame, quantity: str, source: str | None = None) -> Learnt | None:
    """How to predict `quantity` on a set-up; None where too little was measured. `source`: carry over from that platform only."""
    whole = rows is setups(frame).get(setup)  # within `keeping` the same object: trained once, for itself and as a source of others
    known = _table(frame, setup, quantity) if whole else table(rows, quantity)
    own = None
    if source is None and len(set(known.nets.model)) >= predictor.FEWEST:
        own = _trained(frame, setup, quantity) if whole else predictor.train(known.nets, known.y, quantity in BOUNDED)
    sources = [
        made
        for other, there in _sources(frame, setup, known, quantity, source)
        if (made := _source(frame, setup, known, other, there, quantity))
    ]
    if quantity == "latency_s" and len(known):
        batch = float(np.median(known.nets.batch))
        sources += [m.source(public.unlike(m, setup.device, batch)) for m in public.machines() if source in (None, m.name)]
    blended = blend(known.nets, known.y, sources, own) if len(known) else None
    return Learnt(setup, quantity, known, own, blended) if blended else None


@computed_once
def _table(frame: pd.DataFrame, setup: Setup, quantity: str) -> Table:
    """The whole table of a set-up."""
    return table(setups(frame)[setup], quantity)


@computed_once
def _trained(frame: pd.DataFrame, setup: Setup, quantity: str) -> predictor.Predictor:
    """The predictor of a set-up's whole table."""
    known = _table(frame, setup, quantity)
    return predictor.train(known.nets, known.y, quantity in BOUNDED)


def _sources(frame: pd.DataFrame, setup: Setup, known: Table, quantity: str, source: str | None) -> list[tuple[Setup, Table]]:
    """Other set-ups that measured most of the same networks, at most SOURCES of them."""
    others = [(other, _table(frame, other, quantity)) for other in setups(frame) if other != setup and source in (None, other.platform)]
    return sorted(others, key=lambda item: -len(np.intersect1d(item[1].nets.model.astype(str), known.nets.model.astype(str))))[:SOURCES]


def _source(frame: pd.DataFrame, setup: Setup, known: Table, other: Setup, there: Table, quantity: str) -> Source | None:
    """Another set-up as a source, where enough networks are shared and more are known there than here."""
    models = len(np.intersect1d(known.nets.model.astype(str), there.nets.model.astype(str)))
    if models < SHARED or len(set(there.nets.model)) < max(predictor.FEWEST, len(set(known.nets.model))):
        return None
    there_own = _trained(frame, other, quantity)
    sd = float(np.sqrt(np.mean(there_own.near.left.residuals**2)))
    measured = {(m, b): np.log(y / b) for m, b, y in zip(there.nets.model, there.nets.batch, there.y, strict=True)}

    def log(n: Networks) -> tuple[np.ndarray, np.ndarray]:
        guess = np.log(there_own.predict(n).value / n.batch)
        seen = [(m, b) in measured for m, b in zip(n.model, n.batch, strict=True)]
        return np.array([measured.get((m, b), g) for m, b, g in zip(n.model, n.batch, guess, strict=True)]), np.where(seen, 0.0, sd)

    return Source(str(other), there.nets, log, other.device != setup.device, by_batch=True)


def _unknown(unseen: tuple[str, ...], new_family: bool, family: str) -> tuple[str, ...]:
    groups = (f"operators that were never measured here ({', '.join(unseen)}): a coarser law, far less certain",) if unseen else ()
    return groups + ((f"no network of the family {family} was measured here",) if new_family else ())


def _odd(n: Networks, known: Networks, odd: dict[str, float], low: np.ndarray, high: np.ndarray, notes: list[tuple[str, ...]]
         ) -> tuple[np.ndarray, np.ndarray, list[tuple[str, ...]]]:  # fmt: skip
    """Intervals and notes of families of which hardly one was measured here and which run oddly on public machines of the kind."""
    members = Counter(family for _, family in set(zip(map(str, known.model), map(str, known.family), strict=True)))
    off = np.array([odd.get(name, 0.0) if members[name] <= HARDLY else 0.0 for name in map(str, n.family)])
    said = [f"the family {name} runs {np.exp(abs(o)):.1f} times {'slower' if o > 0 else 'faster'} than its operators suggest on public machines"
            for name, o in zip(n.family, off, strict=True)]  # fmt: skip
    notes = [(*note, words) if o else note for note, words, o in zip(notes, said, off, strict=True)]
    return low * np.exp(np.minimum(off, 0)), high * np.exp(np.maximum(off, 0)), notes


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
