"""The knee of every network's batch-size law with its 95 % interval: up to there larger batches pay."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.analyses import batch_law as analysis
from analysis.charts import _style as styles
from analysis.charts import base
from analysis.charts._style import Style
from analysis.frame.cached import computed_once

TITLE = "Knee of the batch-size law"
ORDER = 45
PER = "platform"
ROW = 0.165


@computed_once
def rows_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Fits with three batch sizes or more, with family and the largest batch size measured."""
    cells = analysis.curves(frame)
    fits = analysis.fits(frame)
    if fits.empty:
        return fits
    facts = cells.groupby(["setup", "label"]).agg(family=("family", "first"), largest=("batch_size", "max")).reset_index()
    rows = fits[fits["n"] >= 3].merge(facts, on=["setup", "label"])
    several = rows[rows.groupby("setup")["label"].transform("size") > 1]  # a panel for one network (at its own input size) is none
    return several if len(several) else rows


def applies(frame: pd.DataFrame) -> str | None:
    """Why there is no such chart."""
    found = rows_of(frame)
    return None if len(found) else "no network was measured at three batch sizes"


def draw(frame: pd.DataFrame, style: Style) -> Figure:
    """A panel per set-up: knees sorted, with Fieller's intervals; an arrow where the interval has no end within the panel."""
    rows = rows_of(frame)
    names = sorted(rows["setup"].unique())
    columns = min(len(names), 2)
    deep = int(rows.groupby("setup").size().max())
    lines = -(-len(names) // columns)
    figure = Figure(figsize=(7.2 if columns == 1 else 9.7, lines * (1.2 + ROW * deep)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(lines, columns, squeeze=False)).ravel()
    high = 4 * float(rows["largest"].max())
    for axis, name in zip(axes, names, strict=False):
        mine = rows[rows["setup"] == name].sort_values("knee", ignore_index=True)
        knees, low, top = (mine[column].clip(0.25, high).to_numpy(float) for column in ("knee", "knee_low", "knee_high"))
        at = np.arange(len(mine))
        axis.hlines(at, low, top, color=style.muted, linewidth=1.0, zorder=2)
        open_ended = mine["knee_high"].to_numpy(float) > high
        axis.scatter(np.full(open_ended.sum(), high / 1.04), at[open_ended], s=9, marker=">", color=style.muted, zorder=3)
        for family in styles.order(mine["family"]):
            own = mine["family"].eq(family).to_numpy()
            axis.plot(
                knees[own],
                at[own],
                styles.marker(family),
                color=styles.family(family)[0],
                markeredgecolor=style.ink,
                markeredgewidth=0.4,
                markersize=4.5,
                zorder=4,
            )
        largest = float(mine["largest"].max())
        axis.axvspan(largest, high, color=style.curve, alpha=0.08, linewidth=0, zorder=0)
        axis.set_xscale("log", base=2)
        axis.set_xlim(min(0.5, 0.88 * max(0.25, float(np.nanmin(low)))), high)
        ticks = [2.0**p for p in range(-1, int(np.log2(high)) + 1, 1 if columns == 1 else 2)]
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
        axis.set_yticks(at, base.short(mine["label"]), fontsize=7)
        axis.set_ylim(-0.7, len(mine) - 0.3)
        axis.set_xlabel("knee a/c (images)")
        base.caption(axis, name, "shaded: larger than measured")
        axis.grid(axis="y", visible=False)
    for axis in axes[len(names) :]:
        axis.set_axis_off()
    base.family_legend(figure, rows, style)
    return figure


def explain(frame: pd.DataFrame) -> str:
    """How well the law holds and where the knees lie."""
    return analysis.explain(frame)
