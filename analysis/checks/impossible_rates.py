"""A rate above the peak of the hardware, or far above what any other network reaches."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.checks import base
from analysis.frame import setups
from analysis.stats import roofline

TITLE = "rate above the roofline"
PEAKS = Path(__file__).parents[1] / "data" / "peaks.csv"
WINOGRAD = 2.25  # F(2x2, 3x3) does a 3x3 convolution in 1/2.25 of the multiplications, so that nominal rates may pass the peak by as much


def find(cells: pd.DataFrame) -> Iterator[base.Finding]:
    usable = cells[~base.other_size(cells) & cells["gmacs"].gt(0)]
    limits = hardware_peaks(usable)
    for label, part in setups.named(usable):
        rate = roofline.work(part)["flops"] / part["image_s"]
        best = rate.groupby(part["model"]).max().nlargest(2)
        for at in rate.index[rate.gt(min(WINOGRAD * limits[part.index].min(), 3 * best.min()))]:
            row = part.loc[at]
            others = best.drop(row["model"], errors="ignore").max()
            where = f"{row['model']} on {label}, batch {row['batch_size']:.0f}: {rate[at] / 1e9:,.3g} GFLOP/s"
            if rate[at] > WINOGRAD * limits[at]:
                yield "error", row["cell_id"], f"{where}, where the hardware reaches {limits[at] / 1e9:,.3g}"
            elif part["model"].nunique() >= 6 and rate[at] > 3 * others:
                yield "error", row["cell_id"], f"{where}, where no other network passes {others / 1e9:,.3g}"


def hardware_peaks(cells: pd.DataFrame) -> pd.Series:
    """FLOP/s that each cell's hardware can reach at its precision (data/peaks.csv, or cores x clock x vector width); infinite where unknown."""
    named = ["device", "precision", "platform", *(name for name in ("env_gpu", "env_board", "env_cpus", "env_cpu_flags") if name in cells)]
    clocks = [str(name) for name in cells if str(name).startswith("env_cpu_clocks_hz_max")]
    table = pd.read_csv(PEAKS).to_dict("records")
    limits = pd.Series(np.inf, index=cells.index)
    for _, part in cells.groupby(named, dropna=False):
        row = part.iloc[0]
        limits[part.index] = _cpu_peak(row, clocks) if row["device"] == "cpu" else _listed_peak(row, table)
    return limits


def _cpu_peak(row: pd.Series, clocks: list[str]) -> float:
    cores, flags = row.get("env_cpus"), str(row.get("env_cpu_flags"))
    if pd.isna(cores) or "avx" not in flags or row["precision"] != "fp32":
        return np.inf
    known = pd.to_numeric(row[clocks], errors="coerce").max() if clocks else np.nan
    return float(cores) * max(5e9, float(np.nan_to_num(known))) * (64 if "avx512f" in flags else 32)  # two fused multiply-adds a cycle


def _listed_peak(row: pd.Series, table: list[dict]) -> float:
    names = " ".join(str(row.get(name)) for name in ("env_gpu", "env_board", "platform")).lower()
    for entry in table:
        if re.search(entry["pattern"], names):
            column = {"fp32": "fp32_tflops", "tf32": "tf32_tflops", "int8": "int8_tops"}.get(row["precision"], "fp16_tflops")
            known = [value for name, value in entry.items() if name.endswith(("flops", "tops")) and value == value]
            return 1e12 * (entry[column] if entry[column] == entry[column] else max(known))
    return np.inf
