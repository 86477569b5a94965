"""Inference time and throughput by network and batch size, per platform and backend."""

import pandas as pd

from analysis.frame import metrics
from analysis.frame.cached import computed_once
from analysis.frame.frame import latest_cells, ranked

TITLE = "Inference time and throughput"
HEAT = True  # cells are coloured on a logarithmic scale
KEYS = ["platform", "series", "scenario"]


@computed_once
def analyse(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """One table per platform, backend and scenario: a row per network, a column per batch size; a dagger marks contended cells.

    `latency` tables hold milliseconds per image, `throughput` tables images per second.
    """
    cells = latest_cells(frame)
    cells = cells[(cells["status"] == "ok") & cells["latency_s"].notna()]
    return {" · ".join(key): pivot(group, key[2]) for key, group in cells.groupby(KEYS)}


def pivot(cells: pd.DataFrame, scenario: str) -> pd.DataFrame:
    """Network by batch size; fastest first at the smallest batch size."""
    metric = metrics.time_per_image if scenario == "latency" else metrics.throughput
    wide = cells.assign(value=metric(cells)).pivot_table(index="label", columns="batch_size", values="value", aggfunc="median")
    wide = wide.sort_values(list(wide.columns), ascending=metric.better == "lower").rename_axis(columns=None)
    wide.columns = [f"batch {b}" for b in wide.columns]
    return wide.rename_axis("label").reset_index()


def marks(frame: pd.DataFrame) -> set[tuple[str, str, str]]:
    """(table, network, column) of contended cells, which the report marks."""
    cells = latest_cells(frame)
    cells = cells[cells["contended"] & (cells["status"] == "ok")]
    return {(" · ".join(key), label, f"batch {b}") for *key, label, b in cells[[*KEYS, "label", "batch_size"]].itertuples(index=False)}


def explain(frame: pd.DataFrame) -> str:
    """The range of times."""
    cells = ranked(frame[frame["scenario"] == "latency"])
    time = metrics.time_per_image(cells)
    if time.dropna().empty:
        return "Every latency was contended, so none is quoted."
    low, high = cells.loc[time.idxmin()], cells.loc[time.idxmax()]
    said = [f"{metrics.time_per_image.format(t)} ms ({c['label']}, {c['series']} on {c['platform']}, batch {c['batch_size']:.0f})"
            for t, c in ((time.min(), low), (time.max(), high))]  # fmt: skip
    return f"Time per image ranges from {said[0]} to {said[1]}."
