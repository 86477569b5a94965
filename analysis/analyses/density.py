"""Accuracy density: Top-1 per million parameters, with error bars from the Wilson interval of Top-1."""

import numpy as np
import pandas as pd

from analysis.frame import data_sets
from analysis.frame.cached import computed_once
from analysis.stats import intervals

TITLE = "Accuracy density"
IMAGES = {"imagenet": 50_000, "cifar-10": 10_000, "cifar-100": 10_000}  # images of the usual test sets
COLUMNS = ["model", "input_px", "top1", "top1_low", "top1_high", "images", "params_m", "density", "low", "high", "accuracy_source"]


def images(frame: pd.DataFrame) -> pd.Series:
    """Images that each Top-1 was counted on: as recorded, else those of the data set named, else ImageNet's for values published with weights."""
    named = frame["accuracy_data"].map(lambda name: IMAGES.get(str(name).lower(), np.nan))
    published = frame["accuracy_source"].eq("published").map({True: 50_000.0, False: np.nan})
    return frame["accuracy_images"].fillna(named.astype(float)).fillna(published)


@computed_once
def analyse(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per network, input size and source of accuracy, densest first: density and its bounds in percent per million parameters.

    Parameters are counted, not estimated, so that all uncertainty is Top-1's; without a known number of images the bounds are NaN.
    """
    frame = data_sets.most_common(frame)
    rows = frame[frame["top1"].notna() & frame["params_m"].gt(0) & frame["role"].eq("cell")]
    rows = rows.assign(images=images(rows)).drop_duplicates(["model", "accuracy_source", "top1", "params_m"])
    low, high = intervals.wilson(rows["top1"] / 100, rows["images"])
    rows = rows.assign(top1_low=100 * low, top1_high=100 * high, density=rows["top1"] / rows["params_m"])
    rows = rows.assign(low=rows["top1_low"] / rows["params_m"], high=rows["top1_high"] / rows["params_m"])
    return rows.sort_values("density", ascending=False, ignore_index=True)[COLUMNS]


def explain(frame: pd.DataFrame) -> str:
    """Densest, least dense, and what the bars are."""
    table = analyse(frame)
    if table.empty:
        return "No network has both a Top-1 and a number of parameters."
    first, last = table.iloc[0], table.iloc[-1]
    names = [str(row["model"]).split(":")[-1] for row in (first, last)]
    if len(table) == 1:
        return f"{names[0]}, the only network, has {first['density']:,.1f} points of Top-1 per million parameters."
    return (
        f"{names[0]} gets most out of its parameters, {first['density']:.1f} points of Top-1 per million, and {names[1]} least, {last['density']:.2f}; "
        "bars are 95 % Wilson intervals of Top-1."
    )
