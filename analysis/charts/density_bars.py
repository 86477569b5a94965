"""Accuracy density: sorted bars with error bars on a logarithmic axis (Wang's figure 3)."""

import altair as alt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.analyses import density
from analysis.charts import _interactive as live
from analysis.charts import _style as styles
from analysis.charts import base
from analysis.charts._style import Style
from analysis.frame import metrics
from analysis.frame.cached import computed_once

TITLE = "Accuracy density"
ORDER = 60


@computed_once
def rows_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Networks with Top-1 and parameters, densest first, with the bounds of their density."""
    table = density.analyse(frame[frame["status"] == "ok"]).drop_duplicates(["model", "input_px"])
    names = frame.drop_duplicates(["model", "input_px"])[["model", "input_px", "label", "family"]]
    return table[table["density"].gt(0)].merge(names, on=["model", "input_px"])  # Top-1 of 0 % has no place on a logarithmic axis


def applies(frame: pd.DataFrame) -> str | None:
    """Why there is no such chart."""
    return base.enough(rows_of(frame), "density") or base.readable(len(rows_of(frame)))


def draw(frame: pd.DataFrame, style: Style) -> Figure:
    """Horizontal bars, densest at the top, coloured by family; whiskers are the Wilson interval of Top-1."""
    rows = rows_of(frame)
    at = np.arange(len(rows))[::-1]
    figure = Figure(figsize=(7.2, 1.2 + 0.175 * len(rows)), layout="constrained")
    axis = figure.add_subplot()
    axis.set_xscale("log")
    floor = rows["density"].min() * 0.7
    axis.barh(
        at, rows["density"] - floor, left=floor, color=[styles.family(f)[0] for f in rows["family"]], height=0.72, alpha=0.85, zorder=2
    )
    spread = np.maximum([rows["density"] - rows["low"], rows["high"] - rows["density"]], 0)
    axis.errorbar(rows["density"], at, xerr=np.nan_to_num(spread), fmt="none", ecolor=style.ink, elinewidth=0.8, capsize=1.8, zorder=3)
    for y, high, value in zip(at, rows["high"].fillna(rows["density"]), rows["density"], strict=True):
        axis.text(high * 1.04, y, metrics.density.format(value), va="center", fontsize=6)
    axis.set_yticks(at, base.short(rows["label"]), fontsize=7)
    axis.set_ylim(-0.7, len(rows) - 0.3)
    axis.set_xlim(floor, rows["density"].max() * 1.35)
    base.log_axis(axis, "x")
    axis.set_xlabel(metrics.density.title + "; whiskers: 95 % Wilson interval of Top-1")
    axis.grid(axis="y", visible=False)
    hues: dict[str, list[str]] = {}
    for family in styles.order(rows["family"]):
        hues.setdefault(styles.family(family)[0], []).append(family)
    handles = [Patch(color=colour, alpha=0.85, label=", ".join(names)) for colour, names in hues.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def explain(frame: pd.DataFrame) -> str:
    """Densest, least dense, and what the whiskers are."""
    return density.explain(frame[frame["status"] == "ok"])


def interactive(frame: pd.DataFrame) -> alt.LayerChart:
    """Bars with whiskers, densest at the top."""
    rows = rows_of(frame)[["label", "family", "density", "low", "high", "top1", "params_m"]]
    data = alt.Chart(alt.NamedData("density"))
    y = alt.Y("label:N", title=None, sort=alt.EncodingSortField("density", order="descending"), axis=alt.Axis(labelLimit=170))
    channels = live.family_channels(rows["family"])
    x = live.channel(alt.X, "density")
    tip = [
        *live.tips("density", "top1"),
        alt.Tooltip("low:Q", format=".4~g"),
        alt.Tooltip("high:Q", format=".4~g"),
        alt.Tooltip("params_m:Q", title="parameters (M)", format=".4~g"),
    ]
    dots = data.mark_point(filled=True, size=70).encode(y=y, x=x, tooltip=tip, **channels, **live.compared())
    whiskers = data.mark_rule(color="gray", strokeWidth=2).encode(y=y, x=alt.X("low:Q"), x2="high:Q")
    return live.named(alt.layer(whiskers, dots).properties(width=2 * live.WIDTH - 120, height=alt.Step(15)), density=rows)
