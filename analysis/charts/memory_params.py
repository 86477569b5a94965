"""Memory against parameters, with a robust line and its bands (Zhao's figure 7, Wang's figure 7)."""

import altair as alt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.charts import _interactive as live
from analysis.charts import _names, base
from analysis.charts._style import Style
from analysis.frame.cached import computed_once
from analysis.frame.words import few, plural
from analysis.stats import robust

TITLE = "Memory against parameters"
ORDER = 80
PER = "platform"


@computed_once
def rows_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Cells of the slice with memory and parameters."""
    return base.slice_of(frame).dropna(subset=["memory", "params_size"])


def applies(frame: pd.DataFrame) -> str | None:
    """Why there is no such chart."""
    return base.enough(base.slice_of(frame), "memory", "params")


@computed_once
def lines(rows: pd.DataFrame) -> dict[tuple[str, str], robust.Line | None]:
    """The robust line of every (platform, series); None with too few networks."""
    found: dict[tuple[str, str], robust.Line | None] = {}
    for key, group in rows.groupby(["platform", "series"]):
        enough = len(group) >= base.LEAST_FIT and group["params_size"].nunique() > 1
        line = robust.line(group["params_size"].to_numpy(float), group["memory"].to_numpy(float)) if enough else None
        found[key] = line if line is not None and line.n >= base.LEAST_FIT else None  # n is what is left when outliers are set aside
    return found


def words(line: robust.Line) -> str:
    """The line as a caption says it."""
    sign = "+" if line.slope >= 0 else "−"
    return (f"robust line: y = {line.intercept:.0f} {sign} {abs(line.slope):.2f} x; R² = {line.r2:.2f}, leave-one-out error {100 * line.loo_error:.1f} %, n = {line.n}"
            + (f", {int(line.aside.sum())} set aside" if line.aside.any() else ""))  # fmt: skip


def curve_of(line: robust.Line, x: np.ndarray) -> pd.DataFrame:
    """The line with its bands at x."""
    (lo, hi), (plo, phi) = line.band(x, "confidence"), line.band(x, "prediction")
    return base.bounded(pd.DataFrame({"x": x, "y": line.predict(x), "lo": lo, "hi": hi, "plo": plo, "phi": phi}), "memory")


def draw(frame: pd.DataFrame, style: Style) -> Figure:
    """A panel per series on linear axes, so that the line is one; networks set aside are ringed and named."""
    rows = rows_of(frame)
    found = lines(rows)
    figure, axes = base.panels(len(found), style)
    groups = [rows[(rows["platform"] == p) & (rows["series"] == s)] for p, s in found]
    for axis, ((_, series), line), mine in zip(axes, found.items(), groups, strict=True):
        base.scatter(axis, mine, "params_size", "memory", style)
        axis.set_xscale("linear")
        axis.set_yscale("linear")
        axis.margins(0.06, 0.08)
        if line:
            bands = curve_of(line, np.linspace(0, mine["params_size"].max(), base.POINTS))
            axis.fill_between(bands["x"], bands["plo"], bands["phi"], color=style.curve, alpha=0.08, linewidth=0)
            axis.fill_between(bands["x"], bands["lo"], bands["hi"], color=style.curve, alpha=0.18, linewidth=0)
            axis.plot(bands["x"], bands["y"], color=style.curve, linewidth=1.3, zorder=2)
            aside = mine[line.aside]
            axis.scatter(aside["params_size"], aside["memory"], s=90, facecolors="none", edgecolors=style.ink, linewidths=0.9, zorder=4)
        base.within(axis, "memory")
        base.caption(axis, f"{series}, batch {mine['batch_size'].iloc[0]:.0f}", words(line) if line else "")
    base.family_legend(figure, rows, style, base.band_handles(style))
    for axis, line, mine in zip(axes, found.values(), groups, strict=True):
        named = (
            mine.nlargest(6, "params_size")
            if line is None
            else pd.concat([mine.nlargest(6, "params_size"), mine[line.aside]]).drop_duplicates("label")
        )
        _names.label(axis, named, "params_size", "memory", style, avoid=mine)
    return figure


def explain(frame: pd.DataFrame) -> str:
    """What a network costs in memory."""
    rows = rows_of(frame)
    said = [f"{s} on {p} takes {line.intercept:.0f} MiB plus {line.slope:.2f} MiB per MiB of parameters (leave-one-out error {100 * line.loo_error:.1f} %, n = {line.n}"
            + (f", leaving out {few(rows[(rows['platform'] == p) & (rows['series'] == s)]['label'][line.aside], 3)}" if line.aside.any() else "") + ")"
            for (p, s), line in lines(rows).items() if line]  # fmt: skip
    return ("; ".join(said) or f"{plural(rows['label'].nunique(), 'network')}; a line takes {base.LEAST_FIT} in one set-up") + "."


def interactive(frame: pd.DataFrame) -> alt.FacetChart:
    """Points with tooltips, a panel per platform and series, with the line and its bands."""
    cells, rows = live.cells_table(frame), rows_of(frame)
    layer = live.points(
        "", "params_size", "memory", cells["family"], ["series", "batch_size", "memory", "params_size", "params"], log=False
    )
    curves = [
        curve_of(line, np.linspace(0, rows["params_size"].max(), 12)).assign(**live.keys_of(rows, p, s))
        for (p, s), line in lines(rows).items()
        if line
    ]
    tables = {"cells": cells} | ({"memory_lines": pd.concat(curves)} if curves else {})
    layers = [*(live.band_layers("", "params_size", "memory") if curves else []), layer]
    return live.facets(layers, tables)
