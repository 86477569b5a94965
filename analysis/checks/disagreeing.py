"""Numbers of one row that contradict each other."""

from collections.abc import Iterator

import pandas as pd

from analysis.checks import base

TITLE = "numbers that disagree"


def find(cells: pd.DataFrame) -> Iterator[base.Finding]:
    where = cells["model"] + " on " + cells["setup"] + ", batch " + cells["batch_size"].astype(int).astype(str)
    for at, row in cells[cells["top5"].lt(cells["top1"])].iterrows():
        yield "error", row["cell_id"], f"{where[at]}: Top-5 ({row['top5']:.4g}) is below Top-1 ({row['top1']:.4g})"
    low = cells[["latency_p90_s", "latency_p99_s"]].min(axis=1).lt(0.999 * cells["latency_s"])
    for at, row in cells[low].iterrows():
        yield "error", row["cell_id"], f"{where[at]}: a high percentile of latency lies below the median"
    implied = cells["energy_j"] * cells["throughput"]
    apart = cells["power_w"].gt(0) & (implied.gt(2 * cells["power_w"]) | implied.lt(0.3 * cells["power_w"]))
    for at, row in cells[apart].iterrows():
        yield (
            "warning",
            row["cell_id"],
            f"{where[at]}: energy per image times throughput is {implied[at]:.3g} W, power reads {row['power_w']:.3g} W",
        )
