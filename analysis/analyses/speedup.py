"""Speed-up of every backend over a reference backend on the same platform, with intervals."""

import numpy as np
import pandas as pd

from analysis.frame import noise, words
from analysis.frame.cached import computed_once
from analysis.frame.frame import ranked
from analysis.stats import intervals, noise_model

TITLE = "Speed-up between backends"
ALPHA = 0.05
KEYS = ["platform", "label", "batch_size", "scenario"]


def reference(series: pd.Series) -> str:
    """The backend that others are compared with: PyTorch where it is, else the one with most cells."""
    counts = series.value_counts()
    plain = [name for name in counts.index if name.split()[0] == "pytorch"]
    return sorted(plain, key=lambda name: (-counts[name], name))[0] if plain else counts.index[0]


@computed_once
def ratios(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per cell that both backends measured: ratio of medians (above 1: faster than the reference), its interval, and a verdict.

    Verdicts are corrected for the number of cells of a platform; intervals hold for each cell alone.
    """
    cells = ranked(frame)
    columns = [*KEYS, "family", "series", "latency_s", *noise.COLUMNS]
    pairs = []
    for _, group in cells.groupby("platform"):
        name = reference(group["series"])
        base = group.loc[group["series"] == name, [*KEYS, "latency_s", *noise.COLUMNS]].drop_duplicates(KEYS)
        pairs.append(group.loc[group["series"] != name, columns].merge(base, on=KEYS, suffixes=("", "_base")).assign(reference=name))
    beside = [f"{name}_base" for name in ("latency_s", *noise.COLUMNS)]
    found = pd.concat(pairs, ignore_index=True) if pairs else pd.DataFrame(columns=[*columns, *beside, "reference"])
    ratio = noise_model.difference(noise.times_of(found), noise.times_of(found, "_base"))
    low, high = np.exp(ratio.effect - ratio.half_width()), np.exp(ratio.effect + ratio.half_width())
    p = ratio.p()
    for _, at in found.groupby("platform").indices.items():
        p[at] = noise_model.corrected(p[at])
    differs = p <= ALPHA
    verdict = np.select(
        [np.isnan(p), differs & (ratio.effect > 0), differs & (ratio.effect < 0)], ["unknown", "faster", "slower"], "undecided"
    )
    found = found.assign(speedup=found["latency_s_base"] / found["latency_s"], low=low, high=high, verdict=verdict)
    return found[[*KEYS, "family", "series", "reference", "speedup", "low", "high", "verdict"]]


@computed_once
def analyse(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """`speedup`: geometric mean with its BCa interval over the networks that all backends of the platform have
    (where there is none, those that each has with the reference), how many those are, and how many got
    faster or slower; `speedup by network`: each ratio."""
    each = ratios(frame)
    rows = []
    together = ["platform", "reference", "scenario", "batch_size"]
    backends = each.groupby(together)["series"].transform("nunique")
    each = each.assign(common=each.groupby([*together, "label"])["series"].transform("nunique").eq(backends))
    shared = each.groupby(together)["common"].any().to_dict()
    for key, group in each.groupby(["platform", "series", "reference", "scenario", "batch_size"]):
        if shared[key[0], key[2], key[3], key[4]]:
            group = group[group["common"]]
        mean, low, high = intervals.geometric_mean(group["speedup"])
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
    return {"speedup": pd.DataFrame(rows, columns=columns), "speedup by network": each.drop(columns=["family", "common"])}


def certain(faster: int, slower: int, networks: int) -> str:
    """Of how many networks the intervals leave no doubt."""
    if not faster + slower:
        return "which is not certain" if networks == 1 else f"certain for none of {networks} networks"
    said = [f"{word} for {count}" for word, count in (("faster", faster), ("slower", slower)) if count]
    return f"certainly {' and '.join(said)} of {words.plural(networks, 'network')}"


def explain(frame: pd.DataFrame) -> str:
    """The geometric means at the smallest batch size."""
    table = analyse(frame)["speedup"]
    if table.empty:
        return "No platform has two backends for the same cell that was not contended."
    table = table[table["scenario"] == table["scenario"].min()]
    table = table[(table["batch_size"] == table["batch_size"].min())]
    said = [f"{r.series} runs {r.speedup:.2f} times as fast as {r.reference} on {r.platform} ({certain(r.faster, r.slower, r.networks)})"
            for r in table.itertuples()]  # fmt: skip
    return (
        f"At batch {table['batch_size'].iloc[0]}, by geometric mean over the networks that all backends have, else those shared with the reference: "
        + "; ".join(said)
        + "."
    )
