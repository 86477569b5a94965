"""What to deploy on a platform within limits: the frontier of accuracy and latency, measured networks first, predicted ones marked."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.frame import noise
from analysis.frame.cached import keeping
from analysis.predict import batch
from analysis.predict.conformal import COVERAGE
from analysis.predict.learn import learn
from analysis.predict.limits import Z90, Limits, chance, relax, settling
from analysis.predict.setups import PER_IMAGE, Setup, matching, nets, with_graph
from analysis.stats.intervals import wilson
from analysis.stats.pareto import frontier

LEAST_SPREAD = 0.01  # a measured time is repeated no better than this
LIKELY = 0.5


@dataclass(frozen=True)
class Advice:
    """Candidates (all, with `meets` and `frontier`), and, where none meets the limits, what to relax."""

    platform: str
    batch_size: int
    limits: Limits
    candidates: pd.DataFrame
    relax: tuple[str, ...]
    settle: tuple[str, ...] = ()  # the measurements that would tell most: networks that could beat the best one measured

    @property
    def recommended(self) -> pd.DataFrame:
        """The frontier of those that meet the limits, measured or predicted."""
        return self._ordered("frontier")

    @property
    def fitting(self) -> pd.DataFrame:
        """Everything that meets the limits, in the same order."""
        return self._ordered("meets")

    @property
    def best_measured(self) -> pd.DataFrame:
        """The frontier of the measured ones that meet the limits, whatever is predicted of others."""
        own = self.fitting[self.fitting["kind"].ne("predicted")]
        return own[frontier(own["latency_s"].to_numpy(float), own["top1"].fillna(0.0).to_numpy(float))].reset_index(drop=True)

    def _ordered(self, which: str) -> pd.DataFrame:
        """Measured ones first; then the most accurate first where there is a limit on what they cost, else the fastest."""
        own = self.candidates[self.candidates[which]]
        costs = any(name != "top1" for name in self.limits.given())
        keys = own.assign(predicted=own["kind"].eq("predicted"), loss=-own["top1"].fillna(0.0) if costs else 0.0)
        return own.loc[keys.sort_values(["predicted", "loss", "latency_s"], kind="stable").index].reset_index(drop=True)

    def as_dict(self, everything: bool = False) -> dict[str, Any]:
        """For JSON: missing numbers are null. `everything`: all that meets the limits, not the frontier alone."""
        return {
            "platform": self.platform,
            "batch_size": self.batch_size,
            "limits": asdict(self.limits),
            "recommended": _plain(self.fitting if everything else self.recommended),
            "best_measured": _plain(self.best_measured),
            "relax": list(self.relax),
            "settle": list(self.settle),
        }


def _plain(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in rows.astype(object).where(rows.notna(), None).to_dict("records")]


@keeping()
def advise(
    frame: pd.DataFrame, platform: str, limits: Limits, batch_size: int = 1, known: pd.DataFrame | None = None, **wanted: str | None
) -> Advice:
    """Advice from a frame. Candidates are all networks in it, measured on the platform or not, in every set-up of the platform that matches `wanted`.

    known: more candidates (analysis.predict.candidates.rows), with the frame's columns of a network.
    """
    frame = of_one_data_set(frame)
    tables = [candidates(frame, setup, rows, batch_size, limits, known) for setup, rows in matching(frame, platform, **wanted).items()]
    table = pd.concat([part for part in tables if len(part)] or tables[:1], ignore_index=True)
    for name, limit in limits.given().items():
        table[f"sure_{name}"] = chance(table, name, limit)
    sure = table[[f"sure_{name}" for name in limits.given()]]
    table["sure"] = sure.prod(axis=1, skipna=False) if limits.given() else 1.0
    table["meets"] = table["sure"] >= LIKELY
    table.loc[table["kind"].eq("imported"), "sure"] = np.nan  # its spread is not known, so neither is the chance
    gain = table["top1"].fillna(0.0).to_numpy(float)  # without a known accuracy only the fastest counts
    table["frontier"] = False
    meets = table["meets"].to_numpy(bool)
    table.loc[meets, "frontier"] = frontier(table.loc[meets, "latency_s"].to_numpy(float), gain[meets])
    return Advice(platform, batch_size, limits, table, () if meets.any() else tuple(relax(table, limits)), tuple(settling(table)))


def of_one_data_set(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the Top-1 of one data set alone, that of most rows: 70 % on CIFAR-100 and 70 % on ImageNet are no equals.

    Published values, and imported ones that don't say, are ImageNet's; a measured one bears its data set's own name and is kept.
    """
    has = frame["top1"].notna() & frame["accuracy_source"].ne("measured")
    data = frame["accuracy_data"].fillna("ImageNet")
    if data[has].nunique() < 2:
        return frame
    others = has & data.ne(data[has].mode().iloc[0])
    return frame.assign(top1=frame["top1"].mask(others), top5=frame["top5"].mask(others))


def candidates(
    frame: pd.DataFrame, setup: Setup, rows: pd.DataFrame, batch_size: int, limits: Limits, more: pd.DataFrame | None = None
) -> pd.DataFrame:
    """One row per network and input size: measured where it was at that batch size, predicted where it was not."""
    here = rows[rows["batch_size"] == batch_size].drop_duplicates(["model", "input_px"], keep="last")
    table = [_measured(row) for row in here.join(noise.bounds(here, COVERAGE)).to_dict("records")]
    known = {(row["model"], row["input_px"]) for row in table}
    others = frame[with_graph(frame)].sort_values("top1", na_position="first").drop_duplicates(["model", "input_px"], keep="last")
    if more is not None:
        others = pd.concat([more, others], ignore_index=True).drop_duplicates(["model", "input_px"], keep="last")
    new = others[[(model, px) not in known for model, px in zip(others["model"], others["input_px"], strict=True)]]
    needed = ["latency_s", *(name for name in ("memory_mb", "energy_j") if name in limits.given())]
    table += _predicted(frame, setup, rows, new, batch_size, needed)
    columns = [
        "model",
        "input_px",
        "backend",
        "device",
        "precision",
        "kind",
        "top1",
        "top1_low",
        "top1_high",
        *(c for q in ("latency_s", "memory_mb", "energy_j") for c in (q, f"{q}_low", f"{q}_high")),
        "extrapolates",
        "terms",
    ]
    return (
        pd.DataFrame(table)
        .assign(terms=_terms(table, more), backend=setup.backend, device=setup.device, precision=setup.precision)
        .reindex(columns=columns)
    )


def _terms(table: list[dict[str, Any]], known: pd.DataFrame | None) -> list[str]:
    """What the licence of each network's weights means for use, where that must be said."""
    terms = {} if known is None else dict(zip(zip(known["model"], known["input_px"], strict=True), known["terms"], strict=True))
    return [terms.get((row["model"], row["input_px"]), "") for row in table]


def _measured(row: Mapping[Any, Any]) -> dict[str, Any]:
    imported = "imported" in (row["quality"] if isinstance(row["quality"], (tuple, list)) else ())
    kind = "imported" if imported else "measured"
    out = _accuracy(row) | {"model": row["model"], "input_px": row["input_px"], "kind": kind, "extrapolates": ""}
    for name in ("latency_s", "memory_mb", "energy_j"):
        value = float(row[name])
        if imported:
            out |= {name: value, f"{name}_low": np.nan, f"{name}_high": np.nan}
            continue
        out |= {name: value, f"{name}_low": value * np.exp(-Z90 * LEAST_SPREAD), f"{name}_high": value * np.exp(Z90 * LEAST_SPREAD)}
    if np.isfinite(row["low_s"]) and not imported:
        out |= {"latency_s_low": row["low_s"], "latency_s_high": row["high_s"]}
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
        }
        for name, estimates in found.items():
            share = batch_size if name in PER_IMAGE else 1
            out |= {name: estimates[i].value / share, f"{name}_low": estimates[i].low / share, f"{name}_high": estimates[i].high / share}
        curve = batch.at(rows, row["model"], row["input_px"], batch_size) if (row["model"], row["input_px"]) in elsewhere else None
        if (
            curve is not None and curve.high / curve.low < out["latency_s_high"] / out["latency_s_low"]
        ):  # its own times at other batch sizes tell more
            out |= {"latency_s": curve.value, "latency_s_low": curve.low, "latency_s_high": curve.high}
        table.append(out)
    return table


def _accuracy(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Top-1 with its 90 % interval: Wilson's, on the images it was measured on; a published value is taken as it is."""
    images = row.get("accuracy_images")
    if row.get("accuracy_source") == "measured" and images == images and images:
        low, high = wilson(row["top1"] / 100, float(images), Z90)
        return {"top1": row["top1"], "top1_low": 100 * float(low), "top1_high": 100 * float(high)}
    return {"top1": row["top1"], "top1_low": row["top1"], "top1_high": row["top1"]}
