"""Pareto frontiers of latency and Top-1 per set-up, and how little they share."""

import numpy as np
import pandas as pd

from analysis.analyses import density
from analysis.frame import data_sets, noise, setups
from analysis.frame.cached import computed_once
from analysis.stats import intervals, pareto

TITLE = "Pareto frontiers: how much set-ups share"


@computed_once
def members(frame: pd.DataFrame) -> pd.DataFrame:
    """Comparable cells at each set-up's smallest batch size with a Top-1: on_frontier, and possible (nothing is certainly better in both).

    Certainly: 95 % intervals apart, of latency by the noise model (a time of unknown noise is never certainly beaten) and of Top-1 by Wilson.
    """
    cells = data_sets.most_common(setups.comparable(frame))
    cells = cells[cells["top1"].notna()]
    cells = cells[cells["batch_size"] == cells.groupby("setup")["batch_size"].transform("min")]
    parts = []
    for label, part in setups.named(cells):
        bounds = noise.bounds(part)
        share = intervals.wilson(part["top1"] / 100, density.images(part))
        low, high = (pd.Series(100 * side, part.index).fillna(part["top1"]).to_numpy(float) for side in share)
        parts.append(
            part.assign(
                setup=label,
                on_frontier=pareto.frontier(part["latency_s"].to_numpy(), part["top1"].to_numpy()),
                possible=pareto.possible(bounds["low_s"].fillna(0).to_numpy(), bounds["high_s"].fillna(np.inf).to_numpy(), low, high),
            )
        )
    return pd.concat(parts) if parts else cells.assign(on_frontier=[], possible=[])


@computed_once
def analyse(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """`sizes` per set-up; `overlap` of every two frontiers (Jaccard, over networks that both measured); `membership`: network x set-up."""
    cells = members(frame)
    groups = dict(setups.named(cells))
    sizes = pd.DataFrame(
        [
            {"setup": label, "networks": len(part), "frontier": int(part["on_frontier"].sum()), "possible": int(part["possible"].sum())}
            for label, part in groups.items()
        ],
        columns=["setup", "networks", "frontier", "possible"],
    )
    on = {label: set(part.loc[part["on_frontier"].astype(bool), "model"]) for label, part in groups.items()}
    all_of = {label: set(part["model"]) for label, part in groups.items()}
    table = pd.DataFrame({label: {model: ("frontier" if model in on[label] else "") for model in all_of[label]} for label in groups})
    table = (
        table[(table == "frontier").any(axis=1)].fillna("not measured").sort_index().rename_axis("model").reset_index()
        if len(groups)
        else table
    )
    return {"sizes": sizes, "overlap": pareto.overlap(on, all_of), "membership": table}


def explain(frame: pd.DataFrame) -> str:
    """How much frontiers share."""
    tables = analyse(frame)
    overlap = tables["overlap"].dropna(subset=["jaccard"])
    if overlap.empty:
        return "Fewer than two set-ups measured the same networks with a known Top-1."
    least = overlap.sort_values("jaccard").iloc[0]
    low, high = overlap["jaccard"].min(), overlap["jaccard"].max()
    shares = f"{100 * low:.0f} to {100 * high:.0f} %" if high - low > 0.005 else f"{100 * low:.0f} %"
    return (
        f"The frontiers of {len(tables['sizes'])} set-ups share {shares} of their networks, "
        f"the least between {least['a']} and {least['b']}, {least['shared']} of {least['either']}: choose on the device that you will use."
    )
