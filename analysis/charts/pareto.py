"""Top-1 against latency with the Pareto frontier (Wang's figure 6, per platform and backend)."""

import altair as alt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.analyses.pareto import place
from analysis.charts import _frontier as frontiers
from analysis.charts import _interactive as live
from analysis.charts import _names, base
from analysis.charts._style import Style
from analysis.frame import metrics, words
from analysis.frame.cached import computed_once

TITLE = "Accuracy against latency"
ORDER = 10
PER = "platform"


@computed_once
def placed(frame: pd.DataFrame) -> pd.DataFrame:
    """The cells of the slice with their place on the frontier of their series."""
    groups = [place(group) for _, group in base.slice_of(frame).groupby(["platform", "series"])]
    return metrics.table(pd.concat(groups)) if groups else base.slice_of(frame).assign(place=None)


def applies(frame: pd.DataFrame) -> str | None:
    """Why there is no such chart."""
    return base.enough(base.slice_of(frame), "latency", "top1")


def draw(frame: pd.DataFrame, style: Style) -> Figure:
    """A panel per series: points by family, the frontier as a stepped line, its networks named."""
    rows = placed(frame)
    names = sorted(rows["series"].unique())
    figure, axes = base.panels(len(names), style)
    for axis, name in zip(axes, names, strict=True):
        mine = rows[rows["series"] == name]
        base.scatter(axis, mine, "latency", "top1", style)
        on = mine[mine["place"] == "frontier"].sort_values("latency")
        axis.step(on["latency"], on["top1"], where="post", color=style.curve, linewidth=1.1, zorder=2)
        axis.set_title(f"{name}, batch {mine['batch_size'].iloc[0]:.0f}", loc="left")
        axis.margins(0.08, 0.1)
    base.family_legend(figure, rows, style, [Line2D([], [], color=style.curve, linewidth=1.1, label="Pareto frontier")])
    for axis, name in zip(axes, names, strict=True):
        mine = rows[rows["series"] == name]
        _names.label(axis, mine[mine["place"] == "frontier"], "latency", "top1", style, avoid=mine)
    return figure


def explain(frame: pd.DataFrame) -> str:
    """The ends of the frontier and how selective it is."""
    said, rows = [], placed(frame)
    several = rows.groupby(["platform", "series"])["label"].transform("nunique").gt(1)
    rows = rows[several] if several.any() else rows  # one network alone has nothing to be beaten by
    for (platform, series), mine in rows.groupby(["platform", "series"]):
        on = mine[mine["place"] == "frontier"].sort_values("latency")
        first, last = on.iloc[0], on.iloc[-1]
        ends = [f"{row['label']} ({metrics.latency.format(row['latency'])} ms, {row['top1']:.1f} %)" for row in (first, last)]
        span = f", from {ends[0]} to {ends[1]}" if len(on) > 1 else f": {ends[0]}"
        said.append(f"{words.out_of(len(on), len(mine), 'network')} with {series} on {platform}{span}")
    return "Nothing measured is both faster and more accurate than " + "; ".join(said) + "."


def interactive(frame: pd.DataFrame) -> alt.FacetChart:
    """Points with tooltips and the named frontier of what the filters leave, a panel per platform and series."""
    cells = live.cells_table(frame)
    told = ["series", "batch_size", "latency", "throughput", "top1", "params", "macs", "noise"]
    layers = [*frontiers.layers("latency", "top1", lower=True), live.points("", "latency", "top1", cells["family"], told)]
    return frontiers.spanned(live.facets(layers, {"cells": cells}), "latency", "top1")
