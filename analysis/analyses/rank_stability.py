"""Does the order of networks hold on another platform, batch size or backend?"""

import itertools

import numpy as np
import pandas as pd

from analysis.frame import noise, setups
from analysis.frame.cached import computed_once
from analysis.stats import ranks

TITLE = "Rank stability across platforms, batch sizes and backends"
COLUMNS = ["across", "a", "b", "n", "rho", "rho_low", "rho_high", "tau", "tau_low", "tau_high", "ties", "same_input"]
MOST = 66  # comparisons of set-ups; beyond that the table is no longer read


@computed_once
def analyse(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per pair: Spearman's rho and Kendall's tau-b with 95 % bootstrap intervals over networks; ties are networks whose intervals overlap.

    across: `set-up` (smallest common batch size) or `batch size` (within a set-up, smallest against each other). same_input: were inputs alike?
    """
    cells = setups.comparable(frame)
    cells = cells.join(noise.bounds(cells)) if len(cells) else cells.assign(low_s=[], high_s=[])
    for side in ("low_s", "high_s"):  # a time of unknown noise ties with equal ones only
        cells[side] = cells[side].fillna(cells["latency_s"])
    cells = cells[["setup", "model", "batch_size", "input_px", "latency_s", "low_s", "high_s"]]
    rows = []
    groups = dict(setups.named(cells))
    at = {label: {size: _at(part, size) for size in part["batch_size"].unique()} for label, part in groups.items()}
    for a, b in itertools.islice(itertools.combinations(groups, 2), MOST):
        left, right = groups[a], groups[b]
        shared = sorted(set(left["batch_size"]) & set(right["batch_size"]))
        if shared:
            alike = set(left["input_px"].dropna()) == set(right["input_px"].dropna())
            rows.append(_pair("set-up", a, b, at[a][shared[0]], at[b][shared[0]], alike))
    for label, part in groups.items():
        sizes = sorted(part["batch_size"].unique())
        rows += [
            _pair("batch size", f"{label}, batch {sizes[0]:.0f}", f"batch {other:.0f}", at[label][sizes[0]], at[label][other], True)
            for other in sizes[1:]
        ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table[table["n"] >= 4].reset_index(drop=True)


def _at(part: pd.DataFrame, batch: float) -> pd.DataFrame:
    return part[part["batch_size"] == batch].drop_duplicates("model").set_index("model")


def _pair(across: str, a: str, b: str, left: pd.DataFrame, right: pd.DataFrame, alike: bool) -> dict[str, object]:
    common = left.index.intersection(right.index)
    left, right = left.loc[common], right.loc[common]
    low, high = ((part["low_s"].to_numpy(float), part["high_s"].to_numpy(float)) for part in (left, right))
    found = ranks.correlation(left["latency_s"].to_numpy(float), right["latency_s"].to_numpy(float), low, high)
    return {"across": across, "a": a, "b": b, "same_input": alike, **found}


def explain(frame: pd.DataFrame) -> str:
    """The least and the most stable pair of each kind."""
    table = analyse(frame)
    if table.empty:
        return "No two conditions share four networks."
    said = []
    for across, part in table.groupby("across", sort=False):
        worst = part.sort_values("rho").iloc[0]
        unlike = "" if np.all(worst["same_input"]) else ", whose inputs differ in size"
        said.append(
            f"across {across}s ranks correlate {part['rho'].median():.2f} in the middle of {len(part)} {'comparison' if len(part) == 1 else 'comparisons'} and least, {worst['rho']:.2f} "
            f"({worst['rho_low']:.2f} to {worst['rho_high']:.2f}), between {worst['a']} and {worst['b']}{unlike}"
        )
    return "; ".join(said).capitalize() + "."
