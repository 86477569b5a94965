"""Roofline placement: effective peak and bandwidth per set-up, and what bounds each network."""

from dataclasses import replace

import numpy as np
import pandas as pd

from analysis.frame import setups
from analysis.frame.cached import computed_once
from analysis.stats import roofline

TITLE = "Roofline: what bounds each network"


@computed_once
def placed(frame: pd.DataFrame) -> dict[str, roofline.Roofline]:
    """{set-up: its roofline, whose cells have the frame's columns too}; rows whose complexity is of another input size are left out."""
    cells = setups.comparable(frame)
    own_size = cells["complexity_px"].isna() | cells["complexity_px"].eq(cells["input_px"])
    cells = cells[own_size & cells["gmacs"].gt(0)]
    result = {}
    for label, part in setups.named(cells):
        found = roofline.place(part)
        result[str(label)] = replace(found, cells=part.drop(columns=["bandwidth"], errors="ignore").join(found.cells))
    return result


@computed_once
def analyse(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """`platforms`: effective peak (GFLOP/s; 2 x GMACs), bandwidth (GB/s), ridge (flop/byte), cells by what bounds them; `networks` at the largest batch."""
    platforms, networks = [], []
    for label, found in placed(frame).items():
        part = found.cells
        counts = part["bound"].value_counts()
        platforms.append(
            {
                "setup": label,
                "peak_gflops": found.peak / 1e9,
                "bandwidth_gbs": found.bandwidth / 1e9,
                "ridge": found.ridge,
                **{bound: int(counts.get(bound, 0)) for bound in ("compute", "memory", "overhead")},
            }
        )
        best = part.sort_values("batch_size").drop_duplicates("model", keep="last")
        networks.append(
            pd.DataFrame(
                {
                    "setup": label,
                    "model": best["model"],
                    "batch_size": best["batch_size"],
                    "intensity": best["intensity"],
                    "gflops": best["rate"] / 1e9,
                    "roof_percent": 100 * best["share"],
                    "bound": best["bound"],
                }
            )
        )
    columns = ["setup", "model", "batch_size", "intensity", "gflops", "roof_percent", "bound"]
    joined = pd.concat(networks, ignore_index=True).sort_values(["setup", "roof_percent"], ascending=[True, False]) if networks else None
    return {
        "platforms": pd.DataFrame(platforms, columns=["setup", "peak_gflops", "bandwidth_gbs", "ridge", "compute", "memory", "overhead"]),
        "networks": pd.DataFrame(columns=columns) if joined is None else joined.reset_index(drop=True),
    }


def explain(frame: pd.DataFrame) -> str:
    """Effective peak and what bounds most cells."""
    table = analyse(frame)["platforms"]
    if table.empty:
        return "No cell has both a latency and multiply-adds known at its input size."
    said = []
    bounds = ["compute", "memory", "overhead"]
    several = table[table[bounds].sum(axis=1) > 2]  # a set-up of one odd network tells nothing
    table = several if len(several) else table
    for row in setups.lines(table.sort_values("peak_gflops", ascending=False)):
        counts = {"compute": int(row.compute), "memory": int(row.memory), "overhead": int(row.overhead)}
        most = max(bounds, key=lambda name: counts[name])
        width = f" and {row.bandwidth_gbs:,.0f} GB/s" if np.isfinite(row.bandwidth_gbs) else ""
        said.append(
            f"{row.setup} reaches at most {row.peak_gflops:,.0f} GFLOP/s{width}; {'the only cell is' if sum(counts.values()) == 1 else f'{counts[most]} of {sum(counts.values())} cells are'} bound by {most}"
        )
    return setups.one_sentence(said)
