"""Everything that `predict` says of one network on one platform."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analysis.errors import FrameError
from analysis.frame import noise
from analysis.frame.cached import keeping
from analysis.frame.setups import Setup, choose, setups
from analysis.predict import batch as curves
from analysis.predict import public
from analysis.predict.conformal import COVERAGE
from analysis.predict.graphs import Graph
from analysis.predict.learn import SHARED, learn
from analysis.predict.predictor import FEWEST
from analysis.predict.tables import PER_IMAGE, QUANTITIES, table


@dataclass(frozen=True)
class Quantity:
    """One predicted (or measured) quantity in SI units, energy per image: 90 % interval and what it rests on."""

    name: str
    value: float
    low: float
    high: float
    kind: str  # measured, batch-size law, predicted
    learnt_from: str
    basis: str = ""
    errors: dict[str, float] = field(default_factory=dict)
    extrapolates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """A network on a set-up at a batch size, and why what is missing is missing."""

    model: str
    px: int
    batch_size: int
    setup: Setup
    graph_from: str
    quantities: tuple[Quantity, ...]
    missing: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@keeping()
def estimate(frame: pd.DataFrame, graph: Graph, platform: str, batch_size: int, source: str | None = None, **wanted: str | None) -> Report:
    """Latency, throughput, memory and energy; raises FrameError where not even the latency can be predicted."""
    setup, rows = choose(frame, platform, **wanted)
    found, missing = [], {}
    for name in QUANTITIES:
        quantity = measured(rows, graph, name, batch_size)
        if quantity is None:
            ways = [_predicted(frame, setup, rows, graph, name, batch_size, source)]
            if name == "latency_s" and source is None:
                ways.append(_by_law(rows, graph, batch_size))
            quantity = min((way for way in ways if way), key=lambda way: way.high / way.low, default=None)
        if quantity is None:
            missing[name] = _why_not(frame, setup, rows, name, source)
        else:
            found.append(quantity)
            if name == "latency_s":
                found.append(_throughput(quantity, batch_size))
    if "latency_s" in missing:
        more = "" if source else "; `dyno plan --informative 10` picks what to measure first"
        raise FrameError(f"{graph.model} on {platform}: {missing['latency_s']}{more}")
    return Report(graph.model, graph.px, batch_size, setup, graph.origin, tuple(found), missing)


def _why_not(frame: pd.DataFrame, setup: Setup, rows: pd.DataFrame, name: str, source: str | None) -> str:
    """Why a quantity can't be predicted."""
    here = table(rows, name)
    count = len(set(here.nets.model))
    if source is not None:
        others = sorted({other.platform for other in setups(frame)} - {setup.platform} | {machine.name for machine in public.machines()})
        if source not in others:
            return f"--from {source}: nothing is known of it; choose from {', '.join(others)}"
        return f"--from {source}: it must share {SHARED} networks with the {count} measured on {setup}, and know no fewer than those"
    if not pd.to_numeric(rows[name], errors="coerce").gt(0).any():
        return f"measured of no network on {setup}"
    if count == 0:
        return f"no network measured on {setup} has a known graph"
    return f"measured of {count} network{'s' * (count != 1)} with a known graph on {setup}; {FEWEST} are needed, or {SHARED} that another platform shares"


def measured(rows: pd.DataFrame, graph: Graph, name: str, batch_size: int) -> Quantity | None:
    """The measurement itself, with its 90 % interval (analysis.stats.noise_model), where there is one."""
    own = rows[(rows["model"] == graph.model) & (rows["input_px"] == graph.px) & (rows["batch_size"] == batch_size)]
    own = own[pd.to_numeric(own[name], errors="coerce").gt(0)]
    if own.empty:
        return None
    row = own.iloc[-1]
    value = float(row[name])
    low, high = (float(side) for side in noise.bounds(own.tail(1), COVERAGE).iloc[0]) if name == "latency_s" else (np.nan, np.nan)
    if not np.isfinite(low):
        return Quantity(name, value, value, value, "measured", f"record {row['record_id']}", "noise unknown")
    return Quantity(
        name, value, low, high, "measured", f"record {row['record_id']}", "Student's t on replicates and the noise between sweeps"
    )


def _by_law(rows: pd.DataFrame, graph: Graph, batch_size: int) -> Quantity | None:
    curve = curves.at(rows, graph.model, graph.px, batch_size)
    if curve is None:
        return None
    sizes = ", ".join(f"{b:g}" for b in curve.batches)
    return Quantity("latency_s", curve.value, curve.low, curve.high, "batch-size law", f"its own times at batch sizes {sizes}: {curve.law}",
                    "leave-one-batch-size-out", {}, (f"batch size {batch_size}; measured were {sizes}",) if curve.outside else ())  # fmt: skip


def _predicted(
    frame: pd.DataFrame, setup: Setup, rows: pd.DataFrame, graph: Graph, name: str, batch_size: int, source: str | None
) -> Quantity | None:
    learnt = learn(frame, setup, rows, name, source)
    if learnt is None:
        return None
    got = learnt.predict(graph.at(batch_size))[0]
    share = batch_size if name in PER_IMAGE else 1
    return Quantity(
        name,
        got.value / share,
        got.low / share,
        got.high / share,
        "predicted",
        learnt.from_what,
        got.basis,
        learnt.errors,
        got.extrapolates,
    )


def _throughput(latency: Quantity, batch_size: int) -> Quantity:
    """Images per second with one batch in flight."""
    return Quantity("throughput", batch_size / latency.value, batch_size / latency.high, batch_size / latency.low, latency.kind, "the latency, one batch in flight",
                    latency.basis, latency.errors, latency.extrapolates)  # fmt: skip
