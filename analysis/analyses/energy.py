"""Energy per image of every network and set-up, where a counter was there to read."""

import pandas as pd

from analysis.frame import metrics
from analysis.frame.cached import computed_once
from analysis.frame.frame import ranked
from analysis.frame.words import plural

TITLE = "Energy"
COLUMNS = ["platform", "series", "label", "batch_size", "energy", "power_w", "top1"]


@computed_once
def rows_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Ranked cells of one request in flight with an energy, least first, with metrics as columns."""
    cells = ranked(frame)
    cells = cells[cells["scenario"].eq("latency") & cells["energy_j"].gt(0)]
    return metrics.table(cells).sort_values("energy", kind="stable", ignore_index=True)


def applies(frame: pd.DataFrame) -> str | None:
    """Why there is nothing to say."""
    return None if len(rows_of(frame)) else "no energy counter could be read on any device here"


def analyse(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per cell: energy (mJ per image) and power (W)."""
    return rows_of(frame)[COLUMNS].rename(columns={"power_w": "power, W"})


def explain(frame: pd.DataFrame) -> str:
    """The most frugal network of each device, at its smallest batch size."""
    said = []
    for platform, part in rows_of(frame).groupby("platform"):
        first = part[part["batch_size"].eq(part["batch_size"].min())].iloc[0]
        said.append(f"on {platform} {first['label']} needs least, {metrics.energy.format(first['energy'])} mJ per image with {first['series']} at batch {first['batch_size']:.0f}")  # fmt: skip
    count = rows_of(frame)["label"].nunique()
    return f"Energy was read for {plural(count, 'network')}: " + "; ".join(said) + "."
