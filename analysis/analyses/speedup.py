"""Speed-up of every backend over a reference backend on the same platform, with intervals."""

import numpy as np
import pandas as pd

from analysis.frame.cached import once
from analysis.frame.frame import ranked
from analysis.stats import latency_intervals

TITLE = "Speed-up between backends"
KEYS = ["platform", "label", "batch_size", "scenario"]


def reference(series: pd.Series) -> str:
    """The backend that others are compared with: PyTorch where it is, else the one with most cells."""
    counts = series.value_counts()
    plain = sorted(name for name in counts.index if name.split()[0] == "pytorch")
    return plain[0] if plain else counts.index[0]


@once
def ratios(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per cell that both backends measured: ratio of medians (above 1: faster than the reference), low, high, verdict."""
    cells = ranked(frame)
    columns = [*KEYS, "family", "series", "latency_s", "replicate_medians_s"]
    pairs = []
    for _, group in cells.groupby("platform"):
        name = reference(group["series"])
        base = group.loc[group["series"] == name, [*KEYS, "latency_s", "replicate_medians_s"]].drop_duplicates(KEYS)
        pairs.append(group.loc[group["series"] != name, columns].merge(base, on=KEYS, suffixes=("", "_base")).assign(reference=name))
    found = (
        pd.concat(pairs, ignore_index=True)
        if pairs
        else pd.DataFrame(columns=[*columns, "latency_s_base", "replicate_medians_s_base", "reference"])
    )
    low, high = latency_intervals.ratios(found["replicate_medians_s_base"].tolist(), found["replicate_medians_s"].tolist())
    verdict = np.select([np.isnan(low), low > 1, high < 1], ["unknown", "faster", "slower"], "undecided")
    found = found.assign(speedup=found["latency_s_base"] / found["latency_s"], low=low, high=high, verdict=verdict)
    return found[[*KEYS, "family", "series", "reference", "speedup", "low", "high", "verdict"]]


@once
def analyse(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """`speedup`: geometric mean over networks with its BCa interval, and how many networks got faster or slower; `speedup by network`: each ratio."""
    each = ratios(frame)
    rows = []
    for key, group in each.groupby(["platform", "series", "reference", "scenario", "batch_size"]):
        mean, low, high = latency_intervals.geometric_mean(group["speedup"])
        counts = group["verdict"].value_counts()
        rows.append((*key, mean, low, high, len(group), *(int(counts.get(v, 0)) for v in ("faster", "slower", "undecided"))))
    columns = [
        "platform",
        "series",
        "reference",
        "scenario",
        "batch_size",
        "speedup",
        "low",
        "high",
        "networks",
        "faster",
        "slower",
        "undecided",
    ]
    return {"speedup": pd.DataFrame(rows, columns=columns), "speedup by network": each.drop(columns="family")}


def explain(frame: pd.DataFrame) -> str:
    """The geometric means at the smallest batch size."""
    table = analyse(frame)["speedup"]
    if table.empty:
        return "No platform has two backends for the same cell that was not contended."
    table = table[table["scenario"] == table["scenario"].min()]
    table = table[table["batch_size"] == table["batch_size"].min()]
    said = [f"{r.series} runs {r.speedup:.2f} times as fast as {r.reference} on {r.platform} (slower for {r.slower} of {r.networks})"
            for r in table.itertuples()]  # fmt: skip
    return f"By geometric mean at batch {table['batch_size'].iloc[0]}, " + "; ".join(said) + "."
