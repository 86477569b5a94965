"""Images per second against Top-1, per platform and backend, with a fit and the Pareto frontier (Zhao's figures 4 to 6, Wang's figure 6)."""

import altair as alt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.charts import _frontier as frontiers
from analysis.charts import _interactive as live
from analysis.charts import _names, base
from analysis.charts._style import Style
from analysis.frame.cached import computed_once
from analysis.stats import fit
from analysis.stats.pareto import frontier

TITLE = "Accuracy against images per second"
ORDER = 70
PER = "platform"


@computed_once
def rows_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Cells of the slice with a Top-1, and whether they are on the frontier of their series."""
    rows = base.slice_of(frame).dropna(subset=["top1"])
    groups = [g.assign(on=frontier(-g["throughput"], g["top1"])) for _, g in rows.groupby(["platform", "series"])]
    return pd.concat(groups) if groups else rows.assign(on=False)


def applies(frame: pd.DataFrame) -> str | None:
    """Why there is no such chart."""
    return base.enough(base.slice_of(frame), "throughput", "top1")


@computed_once
def fits(rows: pd.DataFrame) -> dict[tuple[str, str], fit.Fit | None]:
    """The fitted curve of every (platform, series)."""
    return {key: base.fitted(group["throughput"], group["top1"]) for key, group in rows.groupby(["platform", "series"])}


def draw(frame: pd.DataFrame, style: Style) -> Figure:
    """A panel per series: points, fit with bands, frontier with its networks named."""
    rows = rows_of(frame)
    found = fits(rows)
    figure, axes = base.panels(len(found), style)
    groups = [rows[(rows["platform"] == p) & (rows["series"] == s)] for p, s in found]
    for axis, ((_, series), curve), mine in zip(axes, found.items(), groups, strict=True):
        base.scatter(axis, mine, "throughput", "top1", style)
        axis.margins(0.08, 0.12)
        base.curve(axis, curve, style, log_x=True, metric="top1")
        on = mine[mine["on"]].sort_values("throughput")
        axis.step(on["throughput"], on["top1"], where="pre", color=style.curve, linewidth=0.9, linestyle=":", zorder=2)
        base.caption(axis, f"{series}, batch {mine['batch_size'].iloc[0]:.0f}", curve.summary if curve else "")
    line = Line2D([], [], color=style.curve, linewidth=0.9, linestyle=":", label="Pareto frontier")
    base.family_legend(figure, rows, style, [line, *base.band_handles(style)])
    for axis, mine in zip(axes, groups, strict=True):
        _names.label(axis, mine[mine["on"]], "throughput", "top1", style, avoid=mine)
    return figure


def explain(frame: pd.DataFrame) -> str:
    """How little the speed tells about accuracy."""
    rows = rows_of(frame)
    said = []
    for (platform, series), curve in fits(rows).items():
        if curve:
            said.append(
                f"{100 * curve.r2:.0f} % with {series} on {platform} ({curve.law.name}, leave-one-out error {curve.error} points, n = {curve.n})"
            )
    if not said:
        return f"{rows['label'].nunique()} networks; a curve takes {base.LEAST_FIT} in one set-up."
    return "Of the variance in Top-1, speed explains " + "; ".join(said) + "."


def interactive(frame: pd.DataFrame) -> alt.FacetChart:
    """Points with tooltips, a panel per platform and series, with curve and bands, and the named frontier of what the filters leave."""
    cells = live.cells_table(frame)
    layer = live.points(
        "", "throughput", "top1", cells["family"], ["series", "batch_size", "throughput", "latency", "top1", "params", "macs", "energy"]
    )
    curves = [
        live.bands(c, log_x=True, metric="top1", **live.keys_of(rows_of(frame), p, s)) for (p, s), c in fits(rows_of(frame)).items() if c
    ]
    tables = {"cells": cells} | ({"speed_curves": pd.concat(curves)} if curves else {})
    layers = [*(live.band_layers("", "throughput", "top1") if curves else []), *frontiers.layers("throughput", "top1", lower=False), layer]
    return frontiers.spanned(live.facets(layers, tables), "throughput", "top1")
