"""What the first screen chooses from: every time that may be ranked, as plain rows with their numbers and the words for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.charts import base
from analysis.frame import data_sets, heat, metrics, noise, words
from analysis.frame.cached import computed_once
from analysis.frame.frame import ranked
from analysis.frame.setups import one_in_flight
from analysis.predict import offers

RESERVATIONS = ("unsteady", "drifting", "quota", "noisy", "throttled", "parity", "degenerate")


@dataclass(frozen=True, slots=True)
class Entry:
    """One network in one set-up. Times in ms per batch, `low` to `high` the 95 % interval of the median; None is unknown.

    Of a network that was not measured (`measured`) `ms` is predicted, and `low` to `high` the 90 % interval of that. `heat` is `sustained` where the
    time is that of a run of minutes, `cold` where a board has none, and empty elsewhere. `tag` names the weights that reach `top1`, `weights_of` how a matrix names
    them where they belong to another name of the same graph, `terms` what their licence asks for; `timed` are those that were timed where they are
    others (`random`).
    """

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
    tag: str = ""
    weights_of: str = ""
    terms: str = ""
    timed: str = ""
    heat: str = ""
    measured: bool = True

    @property
    def rate(self) -> float:
        """Images per second."""
        return 1e3 * self.batch / self.ms


@computed_once
def entries(frame: pd.DataFrame) -> list[Entry]:
    """Every ranked cell of one request in flight, device by device (`platform` of the frame), fastest first."""
    cells = data_sets.most_common_each(ranked(frame))
    cells = one_in_flight(cells)
    cells = cells[cells["latency_s"].gt(0) & cells["batch_size"].ge(1)]
    if cells.empty:
        return []
    # a row has hundreds of facts, of which these are asked
    cells = cells.drop(columns=[name for name in cells if str(name).startswith("env_") and name != "env_board"])
    many = cells["n_replicates"].ge(2).to_numpy()
    interval = noise.bounds(cells).where(pd.Series(many, cells.index), np.nan)
    cells = heat.with_heat(cells.assign(**interval), frame)
    table = metrics.table(cells).assign(
        low=1e3 * cells["low_s"], high=1e3 * cells["high_s"], trust=[_trust(row) for row in cells[_TRUST].to_dict("records")]
    )
    table["network"] = words.bare(table["label"])
    table["spelt"] = [words.spelt(series) for series in table["series"]]
    table["tag"] = table["accuracy_weights"].fillna("").str.split(",").str[0]  # what follows is where the value was published
    table = table.assign(**{name: table.get(name, "") for name in offers.ADDED})
    timed = table["weights_tag"].where(table["weights_tag"].map(lambda tag: isinstance(tag, str)), table["weights"]).fillna("")
    table["timed"] = timed.where(~timed.isin(["", "pretrained"]) & table["tag"].ne("") & timed.ne(table["tag"]) & table["top1"].notna(), "")
    needed = ["batch_size", "latency", "input_px", *_NUMBERS.values(), *_WORDS.values()]
    rows = table[needed].sort_values(["platform", "latency"], kind="stable")
    fields: dict[str, list[Any]] = {name: _numbers(rows[column]) for name, column in _NUMBERS.items()}
    fields |= {name: [str(word) for word in rows[column]] for name, column in _WORDS.items()}
    fields |= {"batch": rows["batch_size"].astype(int).tolist(), "ms": rows["latency"].astype(float).tolist()}
    fields["px"] = [None if px is None else int(px) for px in _numbers(rows["input_px"])]
    return [Entry(**dict(zip(fields, values, strict=True))) for values in zip(*fields.values(), strict=True)]


_TRUST = ["quality", "source", "n_replicates", "n_asked", "ended"]
_NUMBERS = {"low": "low", "high": "high", "p90": "latency_p90", "p99": "latency_p99", "top1": "top1", "mib": "memory", "mj": "energy"}
_WORDS = {"device": "platform", "network": "network", "family": "family", "backend": "spelt", "precision": "precision", "trust": "trust",
          "model": "model", "framework": "backend", "tag": "tag", "timed": "timed", "heat": "heat", "weights_of": "weights_of", "terms": "terms"}  # fmt: skip


def _numbers(values: pd.Series) -> list[float | None]:
    """Floats, None where one is missing or infinite."""
    found = values.to_numpy(float, na_value=np.nan)
    return [value if finite else None for value, finite in zip(found.tolist(), np.isfinite(found).tolist(), strict=True)]


def _trust(row: dict[str, Any]) -> str:
    """`clean`, or what is to be kept in mind."""
    said = [word for word in row["quality"] or () if word in RESERVATIONS]
    if row["source"] != "records":
        return ", ".join(["imported", *said])
    asked, done = row["n_asked"], int(row["n_replicates"])
    if row["ended"] == "interrupted" and asked > done:
        said.insert(0, f"so far {done} of {asked:.0f}")
    elif not done > 1:
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
    """A network's name as a chart has room for it."""
    return network if len(network) <= 30 else network[:29] + "…"
