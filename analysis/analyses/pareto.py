"""Accuracy against latency: which networks no other network beats in both, per platform and backend."""

import numpy as np
import pandas as pd

from analysis.frame import data_sets, metrics, noise, words
from analysis.frame.cached import computed_once
from analysis.frame.frame import ranked
from analysis.stats import noise_model
from analysis.stats.pareto import frontier

TITLE = "Pareto frontier of accuracy and latency"
ALPHA = 0.05
KEYS = ["platform", "series", "scenario", "batch_size"]


def place(cells: pd.DataFrame) -> pd.DataFrame:
    """Cells of one series with `place`: frontier; tied (beaten, but by less than the intervals of latency tell apart); dominated, and by which."""
    cells = cells[cells["top1"].notna() & cells["latency_s"].notna()].copy()
    latency, top1, labels = cells["latency_s"].to_numpy(float), cells["top1"].to_numpy(float), cells["label"].to_numpy(object)
    on = frontier(latency, top1) if len(cells) else np.array([], bool)
    better = (top1[None, :] >= top1[:, None]) & surely_faster(cells)
    beaten = better.any(axis=1) & ~on
    by = np.where(better, latency[None, :], np.inf).argmin(axis=1) if len(cells) else np.array([], int)
    cells["place"] = np.select([on, beaten], ["frontier", "dominated"], "tied")
    cells["dominated_by"] = [labels[b] if lost else None for b, lost in zip(by, beaten, strict=True)]
    return cells


def surely_faster(cells: pd.DataFrame) -> np.ndarray:
    """Row i, column j: cell j is faster than cell i beyond the noise of both (5 %, corrected for the cells that i may be beaten by)."""
    times, count = noise.times_of(cells), len(cells)
    one, other = np.divmod(np.arange(count * count), max(count, 1))
    found = noise_model.difference(times.take(one), times.take(other))
    p = found.p().reshape(count, count)
    stated = np.isnan(times.mean)  # imported values without replicates are taken as stated
    latency = cells["latency_s"].to_numpy(float)
    p = np.where(stated[:, None] & stated[None, :] & (latency[None, :] != latency[:, None]), 0.0, p)
    np.fill_diagonal(p, np.nan)
    p = np.array([noise_model.corrected(row) for row in p]).reshape(count, count)
    return (p <= ALPHA) & (latency[None, :] < latency[:, None])


@computed_once
def analyse(frame: pd.DataFrame) -> pd.DataFrame:
    """Every network with its place, fastest first, per platform, backend, scenario and batch size."""
    placed = [place(group) for _, group in data_sets.most_common_each(ranked(frame)).groupby(KEYS)]
    placed = [group for group in placed if len(group)]
    if not placed:
        return pd.DataFrame(columns=[*KEYS, "label", "latency", "throughput", "top1", "place", "dominated_by"])
    table = metrics.table(pd.concat(placed)).sort_values([*KEYS, "latency"])
    return table[[*KEYS, "label", "latency", "throughput", "top1", "place", "dominated_by"]].reset_index(drop=True)


def explain(frame: pd.DataFrame) -> str:
    """How many stand on each frontier."""
    table = analyse(frame)
    table = table[(table["scenario"] == "latency") & (table["batch_size"] == table["batch_size"].min())]
    if table.empty:
        return "No network with a published or measured Top-1 has a latency."
    counts = table.assign(on=table["place"] == "frontier").groupby(["platform", "series"])["on"].agg(["sum", "size"])
    said = [f"{words.out_of(int(row['sum']), int(row['size']), 'network')} on {key[0]} with {key[1]}" for key, row in counts.iterrows()]
    return f"At batch {table['batch_size'].iloc[0]} nothing beats, in both accuracy and latency, " + "; ".join(said) + "."
