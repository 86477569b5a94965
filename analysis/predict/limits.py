"""Limits on what a network may take: how sure they are met, what to relax where none meets them, and which measurements would settle most."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from analysis.predict.conformal import COVERAGE
from analysis.predict.show import said

Z90 = float(norm.ppf((1 + COVERAGE) / 2))
LIKELY = 0.5  # a prediction meets limits that it meets with this chance
SETTLE = 3
_JUDGED = {"latency_s": "slowest_s"}  # the column that a limit is held against, where it is another
NAMES = {"latency_s": "latency", "memory_mb": "memory", "energy_j": "energy", "top1": "Top-1"}


@dataclass(frozen=True)
class Limits:
    """Most that may be taken, per batch (energy per image), and the least Top-1 in percent; None is no limit."""

    latency_s: float | None = None
    memory_mb: float | None = None
    energy_j: float | None = None
    top1: float | None = None

    def given(self) -> dict[str, float]:
        """The limits that there are."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def settling(table: pd.DataFrame) -> list[str]:
    """The SETTLE predicted candidates with the most expected gain in Top-1 over the best measured one that meets the limits."""
    best = table.loc[table["meets"] & table["kind"].ne("predicted"), "top1"].max()
    floor = best if best == best else table["top1"].min()
    gain = (table["top1"] - floor).clip(lower=0) * table["sure"]
    rows = table.assign(gain=gain)[table["kind"].eq("predicted") & gain.gt(0)].sort_values("gain", ascending=False, kind="stable")
    rows = rows.drop_duplicates(["model", "input_px", "backend", "device", "precision"])
    return [
        f"{_named(row)}: Top-1 {row['top1']:.1f} %, {100 * row['sure']:.0f} % likely to meet the limits"
        for row in rows.head(SETTLE).to_dict("records")
    ]


def met(table: pd.DataFrame, limits: Limits, sure: np.ndarray) -> np.ndarray:
    """Whether limits are met, per candidate: by what was measured, noise included (slowest_s); of a prediction by its chance, `sure`.

    The page's verdict holds the same (report.verdict.Limits.meets).
    """
    within = np.ones(len(table), bool)
    for name, limit in limits.given().items():
        value = pd.to_numeric(table[_JUDGED.get(name, name)], errors="coerce").to_numpy(float)
        within &= value >= limit if name == "top1" else value <= limit
    return np.where(table["kind"].eq("predicted"), sure >= LIKELY, within)


def chance(table: pd.DataFrame, name: str, limit: float) -> np.ndarray:
    """How sure it is that a limit is met, per candidate, from the 90 % interval; NaN where the quantity is unknown."""
    value, low, high = (pd.to_numeric(table[column], errors="coerce").to_numpy(float) for column in (name, f"{name}_low", f"{name}_high"))
    with np.errstate(divide="ignore", invalid="ignore"):  # a bound of 0, and no spread at all
        if name == "top1":
            slack, spread = value - limit, np.where(value >= limit, value - low, high - value)
        else:
            slack, spread = np.log(limit / value), np.log(np.where(value <= limit, high / value, value / low))
        smooth = norm.cdf(Z90 * slack / spread)
    return np.where(np.isnan(value), np.nan, np.where(spread > 0, smooth, np.where(slack >= 0, 1.0, 0.0)))


def relax(table: pd.DataFrame, limits: Limits) -> Iterable[str]:
    """What would have to give: for each limit alone the least change that lets a network in, else the network that comes nearest."""
    given = limits.given()
    unknown = [NAMES[name] for name in given if table[name].isna().all()]
    if unknown:
        yield f"{' and '.join(unknown)}: known of no network here; measure it, or leave the limit out"
        return
    missed = {name: _missed(table[_JUDGED.get(name, name)].to_numpy(float), name, limit) for name, limit in given.items()}
    possible = False
    for name, limit in given.items():
        least = np.where(sum(missed[other] for other in given if other != name) == 0, missed[name], np.nan)
        if np.isfinite(least).any():
            possible, row = True, table.iloc[int(np.nanargmin(least))]
            yield f"{NAMES[name]}: {said(name, limit)} to {said(name, float(row[_JUDGED.get(name, name)]))} admits {_named(row)}"
    total = np.sum(list(missed.values()), axis=0)
    if not possible and np.isfinite(total).any():
        nearest = int(np.nanargmin(total))
        row = table.iloc[nearest]
        misses = ", ".join(f"{NAMES[name]} {said(name, float(row[name]))}" for name in given if missed[name][nearest] > 0)
        yield f"no single limit is enough; nearest is {_named(row)}, with {misses}"


def _named(row: Mapping[Any, Any]) -> str:
    return f"{row['model']} at {row['input_px']:g} px in {row['backend']} {row['precision']} ({row['kind']})"


def _missed(values: np.ndarray, name: str, limit: float) -> np.ndarray:
    """By how much a limit is missed, as a logarithm; 0 where it is met, NaN where the quantity is unknown."""
    ratio = np.log(values / limit)
    return np.maximum(-ratio if name == "top1" else ratio, 0)
