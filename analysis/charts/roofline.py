"""Roofline: rate against intensity under the best peak and bandwidth seen, per set-up."""

from dataclasses import replace

import altair as alt
import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from analysis.analyses import roofline as analysis
from analysis.charts import _interactive as live
from analysis.charts import _style as styles
from analysis.charts import base
from analysis.charts._style import Style
from analysis.frame import setups
from analysis.frame.cached import computed_once
from analysis.stats.roofline import Roofline

TITLE = "Roofline"
ORDER = 110
PER = "platform"
FREE = ("batch_size", "scenario")


@computed_once
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
    found = rows_of(frame)
    if not found:
        return "bytes moved are not known for two networks, so intensity is not either"
    return base.readable(max(placed.cells["model"].nunique() for placed in found.values()))


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


def interactive(frame: pd.DataFrame) -> alt.FacetChart:
    """The roof of each set-up and its networks below it, the smallest and the largest batch joined by a line."""
    points, roofs = [], []
    for name, found in rows_of(frame).items():
        cells = found.cells.assign(
            panel=name, gflops=found.cells["rate"] / 1e9, large=found.cells["batch_size"].eq(found.cells["batch_size"].max())
        )
        points.append(cells[["panel", "platform", "backend", "precision", "label", "family", "batch_size", "intensity", "gflops", "large"]])
        peak, bandwidth = found.peak / 1e9, found.bandwidth / 1e9
        low, high = cells["intensity"].min() / 1.6, cells["intensity"].max() * 1.6
        corners = sorted({low, float(np.clip(peak / bandwidth, low, high)), high})
        roofs.append(pd.DataFrame({"x": corners, "roof": np.fmin(peak, bandwidth * np.array(corners))}).assign(panel=name, **_keys(cells)))
    rows = pd.concat(points)
    x = alt.X("intensity:Q", title="intensity (flop per byte moved)", scale=LOG, axis=PLAIN)
    y = alt.Y("gflops:Q", title="rate (GFLOP/s; 2 x GMACs)", scale=LOG, axis=PLAIN)
    chosen = live.compared()
    networks = alt.Chart().transform_filter("isValid(datum.gflops)")
    joins = networks.mark_line(strokeWidth=0.8).encode(x=x, y=y, detail="label:N", color=live.family_channels(rows["family"])["color"], opacity=chosen["opacity"])  # fmt: skip
    tip = [alt.Tooltip("label:N", title="network"), alt.Tooltip("batch_size:Q", title="batch size"),
           *(alt.Tooltip(f"{name}:Q", title=title, format=",.3~g") for name, title in (("intensity", "flop per byte"), ("gflops", "GFLOP/s")))]  # fmt: skip
    size = alt.Size("large:O", title="batch size", scale=alt.Scale(domain=[False, True], range=[22, 75]), legend=alt.Legend(orient="bottom", labelExpr="datum.value ? 'largest' : 'smallest'"))  # fmt: skip
    marks = networks.mark_point(filled=True, stroke="currentColor").encode(
        x=x, y=y, size=size, tooltip=tip, **live.family_channels(rows["family"]), **chosen
    )
    roof = alt.Chart().transform_filter("isValid(datum.roof)").mark_line(color="gray", strokeWidth=2)
    roof = roof.encode(x=alt.X("x:Q", scale=LOG, axis=PLAIN), y=alt.Y("roof:Q", scale=LOG, axis=PLAIN))
    return live.facets([roof, joins, marks], {"rooflines": rows, "roofs": pd.concat(roofs)})


LOG, PLAIN = alt.Scale(type="log", nice=False, padding=12), alt.Axis(format=",~g", tickCount=6)


def _keys(cells: pd.DataFrame) -> dict[str, str]:
    """What the page's filters need to know of a roof."""
    return {name: cells[name].iloc[0] for name in ("platform", "backend", "precision")}
