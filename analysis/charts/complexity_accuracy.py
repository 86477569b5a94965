"""Multiply-adds against Top-1 and Top-5, bubbles as large as the network (Zhao's figure 1, Wang's figures 1 and 2)."""

import altair as alt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.charts import _interactive as live
from analysis.charts import _names, _places, base
from analysis.charts._style import Style
from analysis.frame import metrics
from analysis.frame.cached import computed_once
from analysis.stats import fit
from analysis.stats.pareto import frontier

TITLE = "Accuracy against multiply-adds"
ORDER = 50
ACCURACIES = ("top1", "top5")
SIZES = (5, 25, 100)  # million parameters shown by the legend's bubbles


@computed_once
def rows_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Networks with multiply-adds and Top-1, largest bubble first so that small ones stay visible."""
    return base.networks(frame).dropna(subset=["macs", "top1", "params"]).sort_values("params", ascending=False, ignore_index=True)


def applies(frame: pd.DataFrame) -> str | None:
    """Why there is no such chart."""
    return base.enough(base.networks(frame), "macs", "top1")


@computed_once
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
        _names.label(axis, mine, "macs", name, style, sizes=bubble(mine["params"]))
    return figure


def explain(frame: pd.DataFrame) -> str:
    """What ten times the multiply-adds buy, and how well the curve holds."""
    rows = rows_of(frame)
    curve = fits(rows).get("top1")
    most, cheapest = base.best(rows, "top1"), base.best(rows, "macs")
    ends = f"from {cheapest['label']} ({cheapest['macs']:.3g} GMACs, {cheapest['top1']:.1f} %) to {most['label']} ({most['macs']:.3g} GMACs, {most['top1']:.1f} %)"
    if curve is None:
        return f"{len(rows)} networks, {ends}; a curve takes {base.LEAST_FIT}."
    ten = curve.curve([1.0, 10.0])["y"]
    inside = curve.x_range[0] <= 1 and curve.x_range[1] >= 10
    gain = (
        f"Going from 1 to 10 GMACs adds {ten[1] - ten[0]:.1f} points of Top-1 on the fitted curve"
        if inside
        else "Top-1 rises with multiply-adds"
        if ten[1] > ten[0]
        else "Top-1 does not rise with multiply-adds"
    )
    return f"{gain}; the networks range {ends} ({curve.summary})."


def interactive(frame: pd.DataFrame) -> alt.HConcatChart:
    """Named bubbles with tooltips beside one another for Top-1 and Top-5, with the fitted curve and its bands."""
    table, rows = live.networks_table(frame), rows_of(frame)
    tables = {"networks": table}
    views = []
    for name, curve in fits(rows).items():
        mine = rows.dropna(subset=[name])
        low, high = float(mine[name].min()), float(mine[name].max())
        domain = (max(0.0, 5 * np.floor((low - 1) / 5)), min(100.0, 5 * np.ceil((high + 1) / 5)))
        layer = live.points("networks", "macs", name, table["family"], ["params", "macs", "top1", "top5", "density"],
                            size=alt.Size("params:Q", title="parameters (M)", scale=alt.Scale(range=list(AREAS), zero=True), legend=alt.Legend(orient="bottom")))  # fmt: skip
        layer.encoding.y = alt.Y(
            f"{name}:Q",
            title=metrics.METRICS[name].title,
            scale=alt.Scale(domain=domain, nice=False, zero=False),
            axis=alt.Axis(tickCount=6),
        )
        names = f"names_{name}"
        tables[names] = placed(mine, name, domain)
        texts = live.source(names).mark_text(
            fontSize=10, align="center", baseline="middle", dx=alt.expr("datum.dx"), dy=alt.expr("datum.dy"), color="currentColor"
        )
        layers = [layer, texts.encode(x=live.channel(alt.X, "macs"), y=alt.Y(f"{name}:Q"), text="name:N")]
        if curve:
            tables[f"complexity_{name}"] = live.bands(curve, log_x=True, metric=name)
            layers = [*live.band_layers(f"complexity_{name}", "macs", name), *layers]
        views.append(alt.layer(*layers).properties(width=WIDTH, height=HEIGHT))
    return live.named(alt.hconcat(*views), **tables)


WIDTH, HEIGHT = 610, 430  # of a panel, px: names need room
AREAS = (10, 900)  # of bubbles, square px
LETTER = 5.9  # px that a letter of a name takes
FAR = (12, 22, 34)  # px that a name may lie from its bubble


def placed(rows: pd.DataFrame, name: str, domain: tuple[float, float]) -> pd.DataFrame:
    """Names for the interactive figure with their distance (px) from the middle of their bubbles: of all networks that have room, of many the frontier."""
    shown = rows[frontier(rows["macs"].to_numpy(float), rows[name].to_numpy(float))] if len(rows) > base.MOST_NAMED else rows
    logs = np.log(rows["macs"])
    span = max(float(logs.max() - logs.min()), 1e-9)
    at = {
        label: (12 + (WIDTH - 24) * (np.log(macs) - logs.min()) / span, HEIGHT * (1 - (value - domain[0]) / (domain[1] - domain[0])))
        for label, macs, value in rows[["label", "macs", name]].itertuples(index=False)
    }
    most = float(rows["params"].max())
    avoid, found = list(at.values()), []
    taken: list[_places.Box] = []
    for row in shown.sort_values(name, ascending=False).to_dict("records"):
        word, (x, y) = base.short([row["label"]])[0], at[row["label"]]
        radius = np.sqrt((AREAS[0] + (AREAS[1] - AREAS[0]) * row["params"] / most) / np.pi)
        place = _places.beside(x, y, LETTER * len(word), avoid, taken, (0, 0, WIDTH, HEIGHT), [radius + gap - 3 for gap in FAR])
        if place:
            box = place[0]
            taken.append(box)
            found.append({"label": row["label"], "family": row["family"], "name": word, "macs": row["macs"], name: row[name], "dx": (box[0] + box[2]) / 2 - x, "dy": (box[1] + box[3]) / 2 - y})  # fmt: skip
    return pd.DataFrame(found)
