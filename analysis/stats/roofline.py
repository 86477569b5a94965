"""Roofline (Williams, Waterman and Patterson 2009): rate against intensity, under the best peak and bandwidth seen on a platform."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

ELEMENT_BYTES = {"fp32": 4, "tf32": 4, "fp16": 2, "bf16": 2, "int8": 1}


def work(frame: pd.DataFrame) -> pd.DataFrame:
    """Per image and row: flops (2 x multiply-adds), bytes moved (NaN without op_features), intensity (flop/byte).

    op_features' bytes are those of fp32 at batch 1, weights included; other precisions move as much less as their elements are smaller.
    At batch b each image carries 1/b of the weights.
    """
    flops = 2e9 * frame["gmacs"].astype(float)
    element = frame["precision"].map(ELEMENT_BYTES).fillna(4).astype(float)
    total = frame["op_features"].map(_bytes).astype(float) * element / ELEMENT_BYTES["fp32"]
    weights = 1e6 * frame["params_m"].astype(float) * element
    moved = total - weights.clip(upper=total).fillna(0) * (1 - 1 / frame["batch_size"].astype(float))
    return pd.DataFrame({"flops": flops, "bytes": moved, "intensity": flops / moved}, index=frame.index)


def _bytes(groups: object) -> float:
    if not isinstance(groups, dict) or not groups:
        return np.nan
    return float(sum(group.get("bytes") or 0 for group in groups.values() if isinstance(group, dict)))


@dataclass(frozen=True)
class Roofline:
    """A set-up's roof, and its cells below it.

    The effective peak is the highest rate and the effective bandwidth the highest byte rate that any cell of the set-up reached: what this
    software got out of this machine, not the data sheet.
    """

    cells: pd.DataFrame  # flops, bytes, intensity, rate (flop/s), bandwidth (byte/s), roof (flop/s), share, bound
    peak: float  # flop/s
    bandwidth: float  # byte/s

    @property
    def ridge(self) -> float:
        """Intensity (flop/byte) from which on the peak binds."""
        return self.peak / self.bandwidth if self.bandwidth else np.nan


def place(frame: pd.DataFrame) -> Roofline:
    """The rows of one set-up under its roof. `share` is rate over roof; below 0.3 neither binds and the cell is bound by `overhead`."""
    table = work(frame)
    image_s = frame["latency_s"].astype(float) / frame["batch_size"].astype(float)
    # With several batches in flight the rate is the throughput's, not the latency's.
    image_s = (1 / frame["throughput"].astype(float)).where(frame["throughput"].gt(0), image_s)
    table["rate"], table["bandwidth"] = table["flops"] / image_s, table["bytes"] / image_s
    peak = float(table["rate"].max(skipna=True)) if table["rate"].notna().any() else np.nan
    bandwidth = float(table["bandwidth"].max(skipna=True)) if table["bandwidth"].notna().any() else np.nan
    table["roof"] = np.fmin(peak, bandwidth * table["intensity"].to_numpy(float))
    table["share"] = table["rate"] / table["roof"]
    roofline = Roofline(table, peak, bandwidth)
    compute = ~(table["intensity"] < roofline.ridge)
    bound = pd.Series("memory", index=table.index, dtype=object).mask(compute, "compute").mask(table["share"] < 0.3, "overhead")
    table["bound"] = bound.where(table["rate"].notna(), None)
    return roofline
