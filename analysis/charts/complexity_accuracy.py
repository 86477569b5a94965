"""Multiply-adds against Top-1 and Top-5, bubbles as large as the network (Zhao's figure 1, Wang's figures 1 and 2)."""

import altair as alt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.charts import _interactive as live
from analysis.charts import base
from analysis.charts._style import Style
from analysis.frame.cached import once
from analysis.stats import fit

TITLE = "Accuracy against multiply-adds"
ORDER = 50
ACCURACIES = ("top1", "top5")
SIZES = (5, 25, 100)  # million parameters shown by the legend's bubbles


@once
def rows_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Networks with multiply-adds and Top-1, largest bubble first so that small ones stay visible."""
    return base.networks(frame).dropna(subset=["macs", "top1", "params"]).sort_values("params", ascending=False, ignore_index=True)


def applies(frame: pd.DataFrame) -> str | None:
    """Why there is no such chart."""
    return base.enough(base.networks(frame), "macs", "top1")


@once
def fits(rows: pd.DataFrame) -> dict[str, fit.Fit | None]:
    """The fitted curve of each accuracy."""
    return {name: base.fitted(rows["macs"], rows[name]) for name in ACCURACIES if rows[name].notna().sum() > 1}


def bubble(params: pd.Series | float) -> pd.Series | float:
    """Area in square points: proportional to parameters, so that the legend tells the truth."""
    return base.BUBBLE * params


def draw(frame: pd.DataFrame, style: Style) -> Figure:
    """A panel per accuracy with fit, bands and a legend of bubble sizes drawn by the same rule."""
    rows = rows_of(frame)
    found = fits(rows)
    figure, axes = base.panels(len(found), style, height=5.6)
    for axis, (name, curve) in zip(axes, found.items(), strict=True):
        mine = rows.dropna(subset=[name])
        base.scatter(axis, mine, "macs", name, style, bubble(mine["params"]))
        axis.margins(0.1, 0.12)
        base.curve(axis, curve, style, log_x=True, metric=name)
        base.caption(axis, "", curve.summary if curve else "")
    handles = [Line2D([], [], linestyle="", marker="o", markersize=np.sqrt(bubble(size)), markerfacecolor="none", markeredgecolor=style.muted, label=f"{size} M")
               for size in SIZES]  # fmt: skip
    axes[0].legend(
        handles=handles, title="parameters", loc="lower right", labelspacing=0.9, handletextpad=1.2, borderpad=1, title_fontsize=8
    )
    base.family_legend(figure, rows, style, base.band_handles(style))
    for axis, name in zip(axes, found, strict=True):
        mine = rows.dropna(subset=[name])
        base.label(axis, mine, "macs", name, style, sizes=bubble(mine["params"]))
    return figure


def explain(frame: pd.DataFrame) -> str:
    """What ten times the multiply-adds buy, and how well the curve holds."""
    rows = rows_of(frame)
    curve = fits(rows).get("top1")
    most, cheapest = base.best(rows, "top1"), base.best(rows, "macs")
    ends = f"from {cheapest['label']} ({cheapest['macs']:.3g} GMACs, {cheapest['top1']:.1f} %) to {most['label']} ({most['macs']:.3g} GMACs, {most['top1']:.1f} %)"
    if curve is None:
        return f"{len(rows)} networks, {ends}; {base.LEAST_FIT} are needed for a curve."
    ten = curve.curve([1.0, 10.0])["y"]
    inside = curve.x_range[0] <= 1 and curve.x_range[1] >= 10
    gain = f"From 1 to 10 GMACs the fitted Top-1 rises by {ten[1] - ten[0]:.1f} points" if inside else "Top-1 follows multiply-adds"
    return f"{gain}, {ends} ({curve.summary})."


def interactive(frame: pd.DataFrame) -> alt.HConcatChart:
    """Bubbles with tooltips beside one another for Top-1 and Top-5, with the fitted curve and its bands."""
    table, rows = live.networks_table(frame), rows_of(frame)
    tables = {"networks": table}
    views = []
    for name, curve in fits(rows).items():
        layer = live.points("networks", "macs", name, table["family"], ["params", "macs", "top1", "top5", "density"],
                            size=alt.Size("params:Q", title="parameters (M)", scale=alt.Scale(range=[10, 900], zero=True), legend=alt.Legend(orient="bottom")))  # fmt: skip
        layers = [layer]
        if curve:
            tables[f"complexity_{name}"] = live.bands(curve, log_x=True, metric=name)
            layers = [*live.band_layers(f"complexity_{name}", "macs", name), layer]
        views.append(alt.layer(*layers).properties(width=live.WIDTH, height=live.HEIGHT))
    return live.named(alt.hconcat(*views), **tables)
