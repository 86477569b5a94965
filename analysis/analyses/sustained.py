"""Cold against sustained: the time of a cell at its start, and after minutes of work."""

import numpy as np
import pandas as pd

from analysis.frame import heat, metrics
from analysis.frame.cached import computed_once
from analysis.frame.frame import latest
from analysis.frame.words import plural

TITLE = "Cold against sustained"
COLUMNS = ["platform", "series", "label", "family", "batch_size", "cold, ms", "sustained, ms", "ratio"]
EQUAL = 0.02  # a change that is none


def applies(frame: pd.DataFrame) -> str | None:
    """Why there is nothing to say."""
    return None if len(heat.runs(frame)) else "no cell was kept running for minutes; dyno run --sustained 10 does that"


@computed_once
def pairs(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per cell with both times, the largest ratio first."""
    cells = latest(frame[frame["role"].eq("cell") & frame["status"].eq("ok") & frame["scenario"].eq("latency") & ~frame["contended"]])
    cells = cells.drop_duplicates(heat.SAME, keep="last")
    late = heat.runs(frame).reindex(pd.MultiIndex.from_frame(cells[heat.SAME])).to_numpy(float)
    table = cells.assign(
        **{"cold, ms": metrics.MILLI * cells["latency_s"], "sustained, ms": metrics.MILLI * late, "ratio": late / cells["latency_s"]}
    )
    return table.loc[np.isfinite(late), COLUMNS].sort_values("ratio", ascending=False, ignore_index=True)


def analyse(frame: pd.DataFrame) -> pd.DataFrame:
    """The pairs without their families."""
    return pairs(frame).drop(columns="family")


def explain(frame: pd.DataFrame) -> str:
    """How much slower each device becomes."""
    said = []
    for platform, part in pairs(frame).groupby("platform"):
        middle, top, cells = part["ratio"].median(), part.iloc[0], plural(len(part), "cell")
        slower = (
            f"becomes {100 * (middle - 1):.0f} % slower in the median of {cells}, {top['label']} most ({100 * (top['ratio'] - 1):.0f} %)"
        )
        said.append(f"{platform} {slower if middle > 1 + EQUAL else f'keeps its speed in the median of {cells}'}")
    return (
        "After minutes of load " + "; ".join(said) + "." if said else "The cells that were kept running for minutes were never timed cold."
    )
