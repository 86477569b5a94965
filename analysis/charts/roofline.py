"""Roofline: rate against intensity under the best peak and bandwidth seen, per set-up."""

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from analysis.analyses import roofline as analysis
from analysis.charts import _style as styles
from analysis.charts import base
from analysis.charts._style import Style
from analysis.frame import setups
from analysis.frame.cached import once
from analysis.stats.roofline import Roofline

TITLE = "Roofline"
ORDER = 110
PER = "platform"


@once
def rows_of(frame: pd.DataFrame) -> dict[str, Roofline]:
    """{set-up: its roofline with the cells of one batch in flight, at the smallest and the largest batch size}, where intensity is known for two networks."""
    found = {}
    for label, placed in analysis.placed(frame).items():
        part = setups.one_in_flight(placed.cells[placed.cells["intensity"].notna()])
        if part["model"].nunique() > 1:
            ends = {part["batch_size"].min(), part["batch_size"].max()}
            found[label] = replace(placed, cells=part[part["batch_size"].isin(ends)])
    return found


def applies(frame: pd.DataFrame) -> str | None:
    """Why there is no such chart."""
    return None if rows_of(frame) else "bytes moved are not known for two networks, so intensity is not either"


def draw(frame: pd.DataFrame, style: Style) -> Figure:
    """A panel per set-up: roof, and every network at its smallest batch (hollow) and its largest (filled), joined by a line."""
    rooflines = rows_of(frame)
    figure, axes = base.panels(len(rooflines), style)
    for axis, (name, found) in zip(axes, rooflines.items(), strict=True):
        peak, bandwidth = found.peak / 1e9, found.bandwidth / 1e9
        rows = found.cells[["family", "model", "batch_size", "intensity", "rate"]]
        x = np.geomspace(rows["intensity"].min() / 1.6, rows["intensity"].max() * 1.6, 200)
        axis.plot(x, np.minimum(peak, bandwidth * x), color=style.ink, linewidth=1.4, zorder=2)
        large = rows["batch_size"].max()
        for family in styles.order(rows["family"]):
            mine, colour = rows[rows["family"] == family].sort_values("batch_size"), styles.family(family)[0]
            joins = [part[["intensity", "rate"]].to_numpy(float) / [1, 1e9] for _, part in mine.groupby("model")]
            axis.add_collection(LineCollection(joins, colors=colour, linewidths=0.6, alpha=0.6, zorder=2))
            for filled in (False, True):
                part = mine[mine["batch_size"].eq(large) == filled]
                axis.scatter(part["intensity"], part["rate"] / 1e9, s=21, marker=styles.marker(family), c=colour if filled else style.paper,
                             edgecolors=style.ink if filled else colour, linewidths=0.4 if filled else 0.9, zorder=4 if filled else 3)  # fmt: skip
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlim(x[0], x[-1])
        axis.set_ylim(rows["rate"].min() / 1e9 / 1.6, peak * 1.9)
        base.log_axis(axis, "x")
        base.log_axis(axis, "y")
        axis.set_xlabel("intensity (flop per byte moved)")
        axis.set_ylabel("rate (GFLOP/s; 2 x GMACs)")
        sizes = sorted(rows["batch_size"].unique())
        marks = f"hollow: batch {sizes[0]:.0f}, filled: batch {sizes[-1]:.0f}" if len(sizes) > 1 else f"batch {sizes[0]:.0f}"
        base.caption(axis, name, f"effective peak {peak:,.4g} GFLOP/s, bandwidth {bandwidth:,.3g} GB/s; {marks}")
    base.family_legend(figure, pd.concat([found.cells for found in rooflines.values()]), style)
    return figure


def explain(frame: pd.DataFrame) -> str:
    """Effective peak and what bounds most cells."""
    return analysis.explain(setups.one_in_flight(frame))
