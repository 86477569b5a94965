"""What may be recommended in a set-up: networks with a set of weights each, measured there or predicted."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.frame import heat, noise
from analysis.frame.setups import Setup
from analysis.predict import batch, offers
from analysis.predict.conformal import COVERAGE
from analysis.predict.learn import learn
from analysis.predict.limits import Z90, Limits
from analysis.predict.offers import COUNTED, HALF, Offers, graph, graphs, unlike
from analysis.predict.tables import PER_IMAGE, nets, with_graph
from analysis.stats.intervals import wilson

LEAST_SPREAD = 0.01  # a measured time is repeated no better than this
COLUMNS = ["model", "input_px", "weights", "weights_of", "backend", "device", "precision", "kind", "top1", "top1_low", "top1_high",
           *(c for q in ("latency_s", "memory_mb", "energy_j") for c in (q, f"{q}_low", f"{q}_high")), "slowest_s", "heat", "extrapolates", "terms"]  # fmt: skip


def candidates(
    frame: pd.DataFrame,
    setup: Setup,
    rows: pd.DataFrame,
    batch_size: int,
    limits: Limits,
    more: pd.DataFrame | None = None,
    every_tag: bool = False,
) -> pd.DataFrame:
    """One row per network and input size, with its best weights or with each set of them: measured where it was at that batch size, else predicted.

    A time serves all weights of the same graph and size. more: what is published (candidates.rows); without it the frame's own accuracies alone.
    `slowest_s` is what a limit on latency must hold for: the upper end of a measured median's 95 % interval where it has one.
    """
    here = rows[rows["batch_size"] == batch_size].drop_duplicates(["model", "input_px"], keep="last")
    known = offers.offers(more)
    here = heat.with_heat(here.join(noise.bounds(here, COVERAGE)).assign(slowest_s=noise.bounds(here)["high_s"]), frame)
    table = [row for record in here.to_dict("records") for row in _weighed(record, known, every_tag)]
    measured = {graph(row) for row in table}
    others = frame[with_graph(frame)].sort_values("top1", na_position="first").drop_duplicates(["model", "input_px"], keep="last")
    if more is not None:
        counted = others["accuracy_source"].eq("measured") if "accuracy_source" in others else pd.Series(False, others.index)
        others = others[_flags(keep or graph(row) not in known for keep, row in zip(counted, others.to_dict("records"), strict=True))]
        mine = {graph(row) for row in others.to_dict("records")}
        more = more[more["top1"].notna()]
        more = more[_flags(not mine.intersection(graphs(row)) for row in more.to_dict("records"))]
        others = pd.concat([more if every_tag else offers.one_each(more), others], ignore_index=True)
    new = others[_flags(not any(one in measured for one in graphs(row)) for row in others.to_dict("records"))]
    needed = ["latency_s", *(name for name in ("memory_mb", "energy_j") if name in limits.given())]
    table += _predicted(frame, setup, rows, new, batch_size, needed)
    return (
        pd.DataFrame(table, columns=None if table else COLUMNS)
        .assign(backend=setup.backend, device=setup.device, precision=setup.precision)
        .reindex(columns=COLUMNS)
    )


def _flags(which: Iterable[bool]) -> np.ndarray:
    """Rows to keep: an empty list would choose no columns."""
    return np.fromiter(which, bool)


def _weighed(record: Mapping[Any, Any], known: Offers, every_tag: bool) -> list[dict[str, Any]]:
    """A measured network with the weights that its time serves; with its own alone where its accuracy was counted or is not for others."""
    row = _measured(record)
    if unlike(record) and row["kind"] != "imported" and record.get("accuracy_source") != "measured":
        return [row | {"top1": np.nan, "top1_low": np.nan, "top1_high": np.nan, "terms": "its outputs were not found to agree with fp32's"}]
    found = offers.served(record, known)
    return [
        row | _accuracy(one) | {"terms": _said(one, record["precision"], True), "weights_of": offers.named(one, str(record["model"]))}
        for one in (found if every_tag else found[:1])
    ] or [row]


def _said(offer: Mapping[Any, Any], precision: str, compared: bool) -> str:
    """What must be said of a set of weights: its licence's terms, and that its Top-1 was published for another precision."""
    half = (f"Top-1 of fp32{', parity passed' if compared else ', parity unknown'}",) if precision in HALF else ()
    terms = offer.get("terms")
    return "; ".join(part for part in (terms if isinstance(terms, str) else "", *half) if part)


def _measured(row: Mapping[Any, Any]) -> dict[str, Any]:
    imported = row["source"] != "records"
    kind = "imported" if imported else "measured"
    out = _accuracy(row) | {"model": row["model"], "input_px": row["input_px"], "kind": kind, "extrapolates": "", "terms": "", "weights_of": "",
                            "slowest_s": float(row["latency_s"]), "heat": row["heat"]}  # fmt: skip
    for name in ("latency_s", "memory_mb", "energy_j"):
        value = float(row[name])
        if imported:
            out |= {name: value, f"{name}_low": np.nan, f"{name}_high": np.nan}
            continue
        out |= {name: value, f"{name}_low": value * np.exp(-Z90 * LEAST_SPREAD), f"{name}_high": value * np.exp(Z90 * LEAST_SPREAD)}
    if np.isfinite(row["low_s"]) and not imported:
        out |= {"latency_s_low": row["low_s"], "latency_s_high": row["high_s"]}
    if np.isfinite(row["slowest_s"]) and not imported and not row["n_replicates"] < 2:
        out["slowest_s"] = max(row["slowest_s"], out["latency_s"])
    return out


def _predicted(
    frame: pd.DataFrame, setup: Setup, rows: pd.DataFrame, new: pd.DataFrame, batch_size: int, needed: list[str]
) -> list[dict[str, Any]]:
    """Rows of networks that were not measured here; none where the latency can't be learnt."""
    if new.empty:
        return []
    graphs = nets(new, np.full(len(new), float(batch_size)))
    learnt = {name: learn(frame, setup, rows, name) for name in needed}
    found = {name: one.predict(graphs) for name, one in learnt.items() if one is not None}
    if "latency_s" not in found:
        return []
    table, elsewhere = [], set(zip(rows["model"], rows["input_px"], strict=True))
    for i, row in enumerate(new.to_dict("records")):
        out = _accuracy(row) | {
            "model": row["model"],
            "input_px": row["input_px"],
            "kind": "predicted",
            "extrapolates": "; ".join(found["latency_s"][i].extrapolates),
            "terms": _said(row, setup.precision, False),
        }
        if setup.precision in COUNTED:
            out |= {"top1": np.nan, "top1_low": np.nan, "top1_high": np.nan}
        for name, estimates in found.items():
            share = batch_size if name in PER_IMAGE else 1
            out |= {name: estimates[i].value / share, f"{name}_low": estimates[i].low / share, f"{name}_high": estimates[i].high / share}
        curve = batch.at(rows, row["model"], row["input_px"], batch_size) if (row["model"], row["input_px"]) in elsewhere else None
        if (
            curve is not None and curve.high / curve.low < out["latency_s_high"] / out["latency_s_low"]
        ):  # its own times at other batch sizes tell more
            out |= {"latency_s": curve.value, "latency_s_low": curve.low, "latency_s_high": curve.high}
        if not (out["latency_s_low"] > 0 and np.isfinite(out["latency_s_high"])):  # nothing is known of it
            continue
        table.append(out | {"slowest_s": out["latency_s"], "heat": "", "weights_of": ""})
    return table


def _accuracy(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Top-1 with its 90 % interval, and the weights that have it: Wilson's, on the images it was measured on; a published value is taken as it is."""
    images, weights = row.get("accuracy_images"), row.get("accuracy_weights")
    named = weights.split(", ")[0] if isinstance(weights, str) else ""
    if row.get("accuracy_source") == "measured" and images == images and images:
        low, high = wilson(row["top1"] / 100, float(images), Z90)
        return {"top1": row["top1"], "top1_low": 100 * float(low), "top1_high": 100 * float(high), "weights": named}
    return {"top1": row["top1"], "top1_low": row["top1"], "top1_high": row["top1"], "weights": named}
