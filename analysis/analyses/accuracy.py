"""Accuracy that was measured here, with its interval, and what a coarser precision costs; published values stand in the tables of networks."""

import pandas as pd

from analysis.frame.cached import computed_once
from analysis.frame.frame import latest
from analysis.frame.words import few, out_of, plural
from analysis.stats import noise_model

TITLE = "Accuracy, measured"
CHANGE = {
    "top1_change": "against fp32, points", "top1_change_low": "against fp32, low", "top1_change_high": "against fp32, high", "top1_change_p": "McNemar p",
}  # fmt: skip
ALPHA = 0.05
COLUMNS = [
    "platform",
    "series",
    "precision",
    "label",
    "family",
    "weights",
    "data",
    "images",
    "top1",
    "low",
    "high",
    "top5",
    *CHANGE.values(),
]


@computed_once
def rows_of(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per network, set-up and data set that was measured, the most accurate first; Top-1 with its 95 % Wilson interval, in percent."""
    cells = latest(frame[frame["role"].eq("cell") & frame["accuracy_source"].eq("measured") & frame["top1"].notna()])
    cells = cells[~cells["accuracy_weights"].astype(str).str.contains(", measured in ", regex=False)]  # lent by another set-up
    names = {
        "accuracy_weights": "weights",
        "accuracy_data": "data",
        "accuracy_images": "images",
        "top1_low": "low",
        "top1_high": "high",
    } | CHANGE
    cells = cells.drop(columns="weights").rename(columns=names).reindex(columns=COLUMNS)
    cells = cells.drop_duplicates(["platform", "series", "label", "data", "images", "top1"])
    return cells.sort_values(["top1", "label"], ascending=[False, True], ignore_index=True)


def applies(frame: pd.DataFrame) -> str | None:
    """Why there is nothing to say."""
    return None if len(rows_of(frame)) else "no accuracy was measured; dyno accuracy DATA counts it"


def analyse(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows without their families."""
    return rows_of(frame).drop(columns="family").dropna(axis=1, how="all")


def explain(frame: pd.DataFrame) -> str:
    """How many, on what, how sure."""
    rows = rows_of(frame)
    best = rows.iloc[0]
    between = f" (95 % interval {best['low']:.1f} to {best['high']:.1f})" if pd.notna(best["low"]) else ""
    data = few(sorted(rows["data"].dropna().astype(str).unique()), 3)
    said = f"Top-1 of {plural(rows['label'].nunique(), 'network')} was measured on {data}; {best['label']} is the most accurate at {best['top1']:.1f} %{between}."
    return " ".join([said, *_changes(rows)])


def _changes(rows: pd.DataFrame) -> list[str]:
    """What coarser precisions cost, counted on the same images."""
    name, low, high, p = CHANGE.values()
    paired = rows[rows[name].notna()]
    if paired.empty:
        return []
    worst = paired.loc[paired[name].idxmin()]
    sure = int((noise_model.corrected(paired[p].to_numpy(float)) <= ALPHA).sum())
    differ = out_of(sure, len(paired), "cell") + (" differs" if sure == 1 or len(paired) == 1 else " differ")
    lost = f"; {worst['label']} in {worst['precision']} lost most: {worst[name]:+.2f} points ({worst[low]:+.2f} to {worst[high]:+.2f})"
    return [
        f"Counted on the same images, {differ} from fp32 by more than chance (McNemar's test, corrected){lost if worst[name] < 0 else ''}."
    ]
