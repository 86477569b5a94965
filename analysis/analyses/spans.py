"""What stands beside a latency: loading, transfers, the device's own time and energy above idle, where they were measured."""

import numpy as np
import pandas as pd

from analysis.frame import metrics, setups, words
from analysis.frame.cached import computed_once

TITLE = "Loading, transfers and the device's own time"
WAITING = 0.5  # share of a latency beyond which it is not the device that is timed


@computed_once
def analyse(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per network, set-up and batch: ms of loading, first call, transfers, latency, and of it between two events on the device.

    The device's time holds gaps in which it waited for the next launch, not the way from Python to it and the wait at the end.
    """
    cells = setups.observations(setups.usable(frame))
    cells = cells[cells[["h2d_s", "d2h_s", "device_s", "above_idle_j"]].notna().any(axis=1)]
    table = cells[["setup", "label", "batch_size"]].copy()
    for title, name in (("load, ms", "load_s"), ("first call, ms", "first_latency_s"), ("to the device, ms", "h2d_s"), ("latency, ms", "latency_s"),
                        ("on the device, ms", "device_s"), ("from the device, ms", "d2h_s"), ("above idle, mJ per image", "above_idle_j")):  # fmt: skip
        table[title] = metrics.MILLI * cells[name]
    moved = cells[["h2d_s", "d2h_s"]].notna().any(axis=1)
    table["host memory of transfers"] = [
        done.get("transfers") if there and isinstance(done, dict) else None for done, there in zip(cells["executed"], moved, strict=True)
    ]
    return table.sort_values(["setup", "label", "batch_size"]).dropna(axis=1, how="all").reset_index(drop=True)


def _more(share: float) -> str:
    """`80 %`, and from twice up `16 times the latency`."""
    return f"{100 * share:.0f} %" if share < 2 else f"{share:.0f} times the latency"


def explain(frame: pd.DataFrame) -> str:
    """Where the device waits, and where transfers weigh."""
    table = analyse(frame)
    if table.empty:
        return "No transfers, device times or energy above idle were measured."
    said = []
    if "on the device, ms" in table:
        waits = table[table["on the device, ms"].lt((1 - WAITING) * table["latency, ms"])]
        told = int(table["on the device, ms"].notna().sum())
        cells = words.plural(told, "cell") + " with device times"
        said.append(
            f"In {len(waits)} of {cells} more than half of the latency is spent outside the device: what is timed there is launching."
            if len(waits)
            else f"The device works for at least half of the latency in {'each of ' if told > 1 else ''}{cells}."
        )
    moved = table.reindex(columns=["to the device, ms", "from the device, ms"]).sum(axis=1, min_count=1) / table["latency, ms"]
    if moved.notna().any():
        worst = table.loc[moved.idxmax()]
        share = 100 * float(np.nanmedian(moved))
        said.append(
            f"Transfers, which no latency includes, add {share:.2g} % in the typical cell and up to {_more(moved.max())} for {worst['label']} on "
            f"{worst['setup']}, batch {worst['batch_size']:.0f}."
        )
    return " ".join(said) or "Only energy above idle was measured."
