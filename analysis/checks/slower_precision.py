"""A coarser format must not be slower than fp32: where it is, part of the network most likely ran elsewhere or was converted back and forth."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from analysis.checks import base
from analysis.frame import noise
from analysis.stats import noise_model

TITLE = "a coarser precision is slower than fp32"
SAME = ["machine", "host", "platform", "device", "backend", "model", "batch_size", "input_px", "scenario"]
BEYOND = np.log(1.05)  # slower by as much is no fault: kernels differ
ALPHA = 0.05


def find(cells: pd.DataFrame) -> Iterator[base.Finding]:
    keys = [name for name in SAME if name in cells]
    needed = [*keys, "cell_id", "precision", "latency_s", *noise.COLUMNS]
    if not set(needed) <= set(cells):
        return
    table = cells[needed].drop_duplicates([*keys, "precision"])
    pairs = table[table["precision"].isin(["tf32", "fp16", "bf16", "int8"])].merge(
        table[table["precision"] == "fp32"], on=keys, suffixes=("", "_fp32")
    )
    if pairs.empty:
        return
    apart = noise_model.difference(noise.times_of(pairs, "_fp32"), noise.times_of(pairs))
    p = noise_model.corrected(apart.p(BEYOND))
    for slower in np.flatnonzero((apart.effect > BEYOND) & (p < ALPHA)):
        row = pairs.iloc[slower]
        yield (
            "warning",
            row["cell_id"],
            f"{row['model']} in {row['backend']} on {row['platform']} {row['device']}, batch {row['batch_size']:.0f}: {row['precision']} takes "
            f"{base.times(row['latency_s'])}, fp32 {base.times(row['latency_s_fp32'])}; part of it most likely ran elsewhere or was converted",
        )
