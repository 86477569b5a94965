"""A cell's record as a row of the frame: latency, throughput, noise, sensors, all derived from its replicates."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.frame import sensors
from analysis.frame.columns import CELL
from runner.records.schema import STATUSES

ENOUGH = {90: 46, 95: 93, 99: 473}  # samples between whose extremes so large a share of all calls lies, with 95 % confidence


def row(record: dict[str, Any], file: Path) -> dict[str, Any]:
    """One cell record as a row of the frame, without what the environment and published tables add."""
    cell = record["cell"]
    if record["status"] not in STATUSES or any(cell[name] is None for name in CELL) or record["cell_id"] is None:
        raise ValueError(record["status"])
    if min(cell["batch_size"], cell["input_px"]) < 1:
        raise ValueError("no batch or image is smaller than 1")
    out: dict[str, Any] = {name: str(cell[name]) for name in CELL if name not in ("batch_size", "input_px")}
    out |= {
        "batch_size": int(cell["batch_size"]),
        "input_px": int(cell["input_px"]),
        "record_id": str(record["id"]),
        "source": "records",
        "file": file.stem,
    }
    out["environment"] = str(record.get("environment"))
    for name in (
        "run",
        "cell_id",
        "role",
        "anchor",
        "attempt",
        "status",
        "reason",
        "phase",
        "started_at",
        "weights",
        "weights_tag",
        "ended",
        "wall_s",
        "sensitivity",
    ):
        out[name] = record.get(name)
    out["n_asked"] = record.get("asked")
    out["quality"] = tuple(map(str, record.get("quality") or ()))
    out["task"] = task(record.get("task"))
    complexity, parity = record.get("complexity") or {}, record.get("parity") or {}
    out["params_m"] = _scaled(complexity.get("params"), 1e-6)
    out["gmacs"] = _scaled(complexity.get("macs"), 1e-9)
    out["activations_m"] = _scaled(complexity.get("activations"), 1e-6)
    out["op_features"] = complexity.get("groups")
    for name in ("max_rel", "cosine", "top1_flips"):
        out[f"parity_{name}"] = parity.get(name)
    out |= timings(record.get("replicates") or [], out)
    return out | {"so_far": so_far(out)}


def so_far(cell: dict[str, Any]) -> str | None:
    """ "2 of 3" replicates where a run ended before the cell had as many as were asked for; None where it has them."""
    unfinished = cell["status"] == "ok" and cell["ended"] == "interrupted" and cell["n_replicates"] < (cell["n_asked"] or 0)
    return f"{cell['n_replicates']} of {cell['n_asked']}" if unfinished else None


def task(of: dict[str, Any] | None) -> str | None:
    """A fleet's task in one line: submission, platform, assigned board, round and block; None for a record of no fleet."""
    return "/".join(str(of.get(name)) for name in ("submission", "platform", "board", "round", "block")) if of else None


def timings(replicates: Sequence[dict[str, Any]], cell: dict[str, Any]) -> dict[str, Any]:
    """Latency, throughput, noise, contention and sensors from a cell's replicates; no latency unless the cell is ok."""
    samples = [sorted(map(float, r["samples_s"])) for r in replicates if r.get("samples_s")]
    if not all(math.isfinite(sum(s)) and s[0] >= 0 and percentile(s, 50) > 0 for s in samples):
        raise ValueError("a sample is not a time")
    contention = [r.get("contention") or {} for r in replicates]
    shares = [c["others_share"] for c in contention if c.get("others_share") is not None]
    out: dict[str, Any] = {
        "contended": "contended" in cell["quality"] or any(r.get("contended") for r in replicates),
        "others_share": max(shares, default=np.nan),
        "executed": (replicates[0].get("executed") or {}) if replicates else {},
        "replicate_medians_s": (),
        "replicate_rounds": (),
        "n_replicates": len(samples),
        "rounds": len({(r.get("run"), r.get("round")) for r in replicates if r.get("samples_s")}),
        "n_samples": sum(map(len, samples)),
    }
    if cell["status"] != "ok" or not samples:
        return out
    medians = tuple(percentile(s, 50) for s in samples)
    latency_s = percentile(sorted(medians), 50)
    pooled = sorted(itertools.chain.from_iterable(samples))
    out |= {
        "replicate_medians_s": medians,
        "replicate_rounds": tuple(r.get("round") for r in replicates if r.get("samples_s")),
        "latency_s": latency_s,
        "throughput": cell["batch_size"] / latency_s,
        "in_flight": replicates[0].get("in_flight"),
    }
    if out["in_flight"] in (None, 1):  # in `throughput` a sample is the mean of a window, which has no tail
        out |= percentiles(pooled)
    out["noise"] = percentile(sorted((percentile(s, 75) - percentile(s, 25)) / percentile(s, 50) for s in samples), 50)
    device = [percentile(sorted(map(float, r["device_samples_s"])), 50) for r in replicates if r.get("device_samples_s")]
    out["device_s"] = percentile(sorted(device), 50) if device else np.nan
    for name in ("load_s", "first_latency_s", "h2d_s", "d2h_s"):
        spans = [r["spans"][name] for r in replicates if (r.get("spans") or {}).get(name) is not None]
        out[name] = percentile(sorted(map(float, spans)), 50) if spans else np.nan
    late = [float(r["sustained"]["sustained_s"]) for r in replicates if (r.get("sustained") or {}).get("sustained_s")]
    out["sustained_s"] = percentile(sorted(late), 50) if late else np.nan
    return out | sensors.readings(replicates, cell["device"])


def percentiles(ordered: Sequence[float]) -> dict[str, float]:
    """The percentiles that so many samples tell, each with its 95 % interval."""
    from analysis.stats.intervals import percentile_ranks  # it brings scipy.stats: 60 MB that other records are read without

    found: dict[str, float] = {}
    for percent, enough in ENOUGH.items():
        ranks = percentile_ranks(len(ordered), percent) if len(ordered) >= enough else None
        if ranks:
            name = f"latency_p{percent}"
            found |= {f"{name}_s": percentile(ordered, percent), f"{name}_low_s": ordered[ranks[0]], f"{name}_high_s": ordered[ranks[1]]}
    return found


def percentile(ordered: Sequence[float], percent: float) -> float:
    """numpy.percentile of sorted values, to the last bit: a set holds millions of short lists, for which numpy's own costs a hundred times more."""
    place = (len(ordered) - 1) * (percent / 100)
    below = int(place)
    share = place - below
    low, high = ordered[below], ordered[min(below + 1, len(ordered) - 1)]
    return low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)


def _scaled(value: float | None, factor: float) -> float:
    return np.nan if value is None else float(value) * factor
