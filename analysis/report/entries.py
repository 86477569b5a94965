"""What the first screen chooses from: every time that may be ranked, as plain rows with their numbers and the words for them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.charts import base
from analysis.frame import metrics, noise
from analysis.frame.cached import once
from analysis.frame.frame import ranked

RESERVATIONS = ("unsteady", "drifting", "noisy", "throttled", "parity", "degenerate")


@dataclass(frozen=True)
class Entry:
    """One network in one set-up. Times in ms per batch, `low` to `high` the 95 % interval of the median; None is unknown."""

    device: str
    network: str
    family: str
    backend: str
    precision: str
    batch: int
    ms: float
    low: float | None
    high: float | None
    p90: float | None
    p99: float | None
    top1: float | None
    mib: float | None
    mj: float | None
    trust: str
    model: str
    px: int | None
    framework: str
    measured: bool = True

    @property
    def rate(self) -> float:
        """Images per second."""
        return 1e3 * self.batch / self.ms


@once
def entries(frame: pd.DataFrame) -> list[Entry]:
    """Every ranked cell of one request in flight, device by device (`platform` of the frame), fastest first."""
    cells = ranked(frame)
    cells = cells[(cells["scenario"] == "latency") & cells["latency_s"].gt(0) & cells["batch_size"].ge(1)]
    if cells.empty:
        return []
    replicates = [value if isinstance(value, (tuple, list)) else () for value in cells["replicate_medians_s"]]
    interval = noise.bounds(cells)
    table = metrics.table(cells).assign(
        low=1e3 * interval["low_s"], high=1e3 * interval["high_s"], trust=[_trust(row) for row in cells.to_dict("records")]
    )
    # Student's interval is around the mean of logarithms; the median of three lies inside it or at its end.
    table["low"], table["high"] = np.fmin(table["low"], table["latency"]), np.fmax(table["high"], table["latency"])
    unknown = np.array([len(r) < 2 for r in replicates])
    table.loc[unknown, ["low", "high"]] = np.nan
    rows = table.sort_values(["platform", "latency"], kind="stable").to_dict("records")
    return [_entry(row) for row in rows]


def _entry(row: dict[str, Any]) -> Entry:
    number = {name: _number(row[column]) for name, column in _NUMBERS.items()}
    words = {name: str(row[column]) for name, column in _WORDS.items()}
    px = _number(row["input_px"])
    return Entry(**words, **number, batch=int(row["batch_size"]), ms=float(row["latency"]), px=None if px is None else int(px))  # type: ignore[arg-type]


_NUMBERS = {"low": "low", "high": "high", "p90": "latency_p90", "p99": "latency_p99", "top1": "top1", "mib": "memory", "mj": "energy"}
_WORDS = {"device": "platform", "network": "label", "family": "family", "backend": "series", "precision": "precision", "trust": "trust",
          "model": "model", "framework": "backend"}  # fmt: skip


def _number(value: Any) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None


def _trust(row: dict[str, Any]) -> str:
    """`clean`, or what is to be kept in mind."""
    said = [word for word in row["quality"] or () if word in RESERVATIONS]
    if row["source"] != "records":
        return ", ".join(["imported", *said])
    if not row["n_replicates"] > 1:
        said.insert(0, "one process")
    return ", ".join(said) or "clean"


def batches(rows: Sequence[Entry]) -> list[int]:
    """The batch sizes that can be chosen: those that half of the networks have; 0, for each network's own, where there is none."""
    networks = {row.network for row in rows}
    common = base.usual_batches([row.network for row in rows], [row.batch for row in rows])
    held = {row.network for row in rows if row.batch == common[0]}
    return common if 2 * len(held) >= len(networks) else [0]


def fastest(rows: Sequence[Entry], batch: int, precision: str = "") -> list[Entry]:
    """The fastest set-up of each network at a batch size (0: at its own, by time per image), fastest first."""
    found: dict[str, Entry] = {}
    for row in rows:
        if (batch and row.batch != batch) or (precision and row.precision != precision):
            continue
        best = found.get(row.network)
        if best is None or -row.rate < -best.rate:
            found[row.network] = row
    return sorted(found.values(), key=lambda row: -row.rate)


def frontier(rows: Sequence[Entry]) -> list[Entry]:
    """Those that nothing beats in both Top-1 and time, fastest first; `rows` come fastest first."""
    on: list[Entry] = []
    for row in rows:
        if row.top1 is None:
            continue
        if not on or row.top1 > (on[-1].top1 or 0):
            if on and on[-1].rate == row.rate:
                on.pop()
            on.append(row)
    return on


def short(network: str) -> str:
    """A network's name without its source and its weights' tag, for a chart: `timm:dpn68.mx_in1k` -> dpn68."""
    name = re.sub(r"^[a-z]+:", "", network)
    return name if len(name) <= 30 else name[:29] + "…"
