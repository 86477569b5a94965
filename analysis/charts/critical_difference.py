"""Mean ranks with critical differences (Demsar 2006): what overlaps, the Nemenyi test cannot tell apart."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.analyses import ranks as analysis
from analysis.charts import base
from analysis.charts._style import Style
from analysis.stats import ranks

TITLE = "Mean ranks and critical difference"
ORDER = 120
ROW = 0.165  # inches per name
HEAD = 1.1  # inches per panel beside its names
FEW = 12  # treatments that Demsar's joining bars are drawn for; the bars of forty would fill the page


def applies(frame: pd.DataFrame) -> str | None:
    """Why there is no such chart."""
    return None if analysis.tables(frame) else "ranks need two conditions (set-ups or batch sizes) that share their networks or backends"


def draw(frame: pd.DataFrame, style: Style) -> Figure:
    """A panel per question: names by mean rank, best at the top, the critical difference around each, and for few, thick bars that join ties."""
    tables = analysis.tables(frame)
    heights = [HEAD + ROW * table.shape[1] for table in tables.values()]
    figure = Figure(figsize=(7.2, sum(heights)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(len(tables), 1, height_ratios=heights))
    for axis, (what, table) in zip(axes, tables.items(), strict=True):
        blocks, treatments = table.shape
        order, difference = ranks.mean_ranks(table), ranks.critical_difference(treatments, blocks)
        at = np.arange(treatments)
        axis.hlines(at, order - difference / 2, order + difference / 2, color=style.muted, linewidth=1.1, zorder=2)
        axis.plot(order, at, "o", color=style.ink, markersize=3.6, zorder=3)
        axis.axvline(order.iloc[0] + difference / 2, color=style.muted, linewidth=0.8, linestyle=":", zorder=1)
        bars = ranks.cliques(order, difference) if treatments <= FEW else []
        edge = float(order.max() + difference / 2) + 0.03 * treatments
        for number, (first, last) in enumerate(bars):
            x = edge + 0.03 * treatments * (number + 1)
            axis.plot([x, x], [first - 0.2, last + 0.2], color=style.ink, linewidth=2, solid_capstyle="butt", zorder=3)
        axis.set_xlim(min(0.5, float(order.min() - difference / 2) - 0.1), edge + 0.03 * treatments * (len(bars) + 1))
        axis.set_ylim(treatments - 0.4, -0.6)
        axis.set_yticks(at, base.short(list(map(str, order.index))), fontsize=7)
        ticks = [
            tick
            for tick in (1, 2, 3, 4, *range(5, treatments + 1, 5))
            if tick <= treatments and (treatments <= 6 or tick in (1, *range(5, 500, 5)))
        ]
        axis.set_xticks(ticks)
        axis.set_xlabel(f"mean rank (1 = fastest of {treatments})")
        base.caption(
            axis,
            f"{what}, {blocks} conditions",
            f"bars are the critical difference {difference:.2f} wide; those that overlap can't be told apart",
        )
        axis.grid(axis="y", visible=False)
    return figure


def explain(frame: pd.DataFrame) -> str:
    """The best by rank and who cannot be told from it."""
    return analysis.explain(frame)
