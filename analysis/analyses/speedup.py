"""Speed-up of every backend over a reference backend on the same platform, with intervals."""

import numpy as np
import pandas as pd

from analysis import intervals
from analysis.frame import ranked

TITLE = "Speed-up between backends"
KEYS = ["platform", "label", "batch_size", "scenario"]


def reference(series: pd.Series) -> str:
    """The backend that others are compared with: PyTorch where it is, else the one with most cells."""
    counts = series.value_counts()
    plain = sorted(name for name in counts.index if name.split()[0] == "pytorch")
    return plain[0] if plain else counts.index[0]


def ratios(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per cell that both backends measured: ratio of medians (above 1: faster than the reference), low, high, verdict."""
    cells = ranked(frame)
    rows = []
    for _, group in cells.groupby("platform"):
        base_name = reference(group["series"])
        base = group[group["series"] == base_name].drop_duplicates(KEYS).set_index(KEYS)
        for cell in group[group["series"] != base_name].itertuples():
            key = (cell.platform, cell.label, cell.batch_size, cell.scenario)
            if key not in base.index:
                continue
            other = base.loc[key]
            low, high = intervals.ratio(other["replicate_medians_s"], cell.replicate_medians_s)
            verdict = "unknown" if np.isnan(low) else "faster" if low > 1 else "slower" if high < 1 else "undecided"
            rows.append((*key, cell.family, cell.series, base_name, other["latency_s"] / cell.latency_s, low, high, verdict))
    return pd.DataFrame(rows, columns=[*KEYS, "family", "series", "reference", "speedup", "low", "high", "verdict"])


def analyse(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """`speedup`: geometric mean over networks with its BCa interval, and how many networks got faster or slower; `speedup by network`: each ratio."""
    each = ratios(frame)
    rows = []
    for key, group in each.groupby(["platform", "series", "reference", "scenario", "batch_size"]):
        mean, low, high = intervals.geometric_mean(group["speedup"])
        counts = group["verdict"].value_counts()
        rows.append((*key, mean, low, high, len(group), *(int(counts.get(v, 0)) for v in ("faster", "slower", "undecided"))))
    columns = ["platform", "series", "reference", "scenario", "batch_size", "speedup", "low", "high", "networks", "faster", "slower", "undecided"]
    return {"speedup": pd.DataFrame(rows, columns=columns), "speedup by network": each.drop(columns="family")}


def explain(frame: pd.DataFrame) -> str:
    """The geometric means at the smallest batch size."""
    table = analyse(frame)["speedup"]
    if table.empty:
        return "No platform has two backends for the same cell."
    table = table[table["scenario"] == table["scenario"].min()]
    table = table[table["batch_size"] == table["batch_size"].min()]
    said = [f"{r.series} runs {r.speedup:.2f} times as fast as {r.reference} on {r.platform} (slower for {r.slower} of {r.networks})"
            for r in table.itertuples()]  # fmt: skip
    return f"By geometric mean at batch {table['batch_size'].iloc[0]}, " + "; ".join(said) + "."
