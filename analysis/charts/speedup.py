"""Speed-up of each backend over the reference, network by network, with intervals."""

import altair as alt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.analyses.speedup import certain, ratios
from analysis.charts import _interactive as live
from analysis.charts import _style as styles
from analysis.charts import base
from analysis.charts._style import Style
from analysis.frame.cached import computed_once
from analysis.stats import intervals

TITLE = "Speed-up between backends"
ORDER = 20
PER = "platform"


@computed_once
def rows_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Ratios at the smallest batch size, one in flight."""
    each = ratios(frame)
    each = each[each["scenario"] == "latency"]
    return each[each["batch_size"] == each["batch_size"].min()]


def applies(frame: pd.DataFrame) -> str | None:
    """Why there is no such chart."""
    return None if len(rows_of(frame)) else "no platform has two backends for the same cell that was not contended"


def draw(frame: pd.DataFrame, style: Style) -> Figure:
    """A panel per backend: a ratio per network with its 95 % interval, sorted; the band is the geometric mean's interval."""
    rows = rows_of(frame)
    names = sorted(rows["series"].unique())
    order = rows.groupby("label")["speedup"].apply(lambda s: np.log(s).mean()).sort_values().index
    figure = Figure(figsize=(2.2 + 3.1 * len(names), 1.3 + 0.17 * len(order)), layout="constrained")
    axes = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for axis, name in zip(axes, names, strict=True):
        mine = rows[rows["series"] == name].set_index("label").reindex(order)
        at = np.arange(len(order))
        axis.axvline(1, color=style.muted, linewidth=0.8)
        axis.hlines(at, mine["low"], mine["high"], color=style.muted, linewidth=1)
        for family in styles.order(mine["family"].dropna()):
            own = (mine["family"] == family).to_numpy()
            axis.scatter(
                mine["speedup"][own],
                at[own],
                s=20,
                c=styles.family(family)[0],
                marker=styles.marker(family),
                edgecolors=style.ink,
                linewidths=0.4,
                zorder=3,
            )
        mean, low, high = intervals.geometric_mean(mine["speedup"])
        axis.axvline(mean, color=style.curve, linewidth=1, linestyle="--")
        if np.isfinite(low):
            axis.axvspan(low, high, color=style.curve, alpha=0.12, linewidth=0)
        base.log_axis(axis, "x")
        axis.set_title(f"{name}: {mean:.2f}× by geometric mean", loc="left")
        axis.set_xlabel(f"times as fast as {rows['reference'].iloc[0]}, batch {rows['batch_size'].iloc[0]:.0f}")
        axis.set_yticks(at, base.short(order), fontsize=7)
        axis.set_ylim(-0.8, len(order) - 0.2)
    base.family_legend(figure, rows, style)
    return figure


def explain(frame: pd.DataFrame) -> str:
    """Geometric mean, its interval and how many got slower."""
    said = []
    for (platform, series, reference), mine in rows_of(frame).groupby(["platform", "series", "reference"]):
        mean, low, high = intervals.geometric_mean(mine["speedup"])
        between = f" (95 % interval {low:.2f} to {high:.2f})" if np.isfinite(low) else ""
        faster, slower = (int((mine["verdict"] == word).sum()) for word in ("faster", "slower"))
        top = mine.loc[mine["speedup"].idxmax()]
        said.append(f"{series} on {platform} is {mean:.2f} times as fast as {reference}{between}, {certain(faster, slower, len(mine))}"
                    + (f", and gains most on {top['label']} ({top['speedup']:.1f}×)" if len(mine) > 1 else ""))  # fmt: skip
    return "; ".join(said) + "."


def interactive(frame: pd.DataFrame) -> alt.FacetChart:
    """Ratios with intervals, a panel per platform and backend."""
    rows = ratios(frame)
    rows = rows.assign(
        panel=rows["platform"] + " · " + rows["series"] + " over " + rows["reference"], backend=rows["series"].str.split().str[0]
    )
    y = alt.Y("label:N", title=None, sort=alt.EncodingSortField("speedup", order="descending"), axis=alt.Axis(labelLimit=160))
    scale = alt.Scale(type="log", nice=False, padding=10)
    line = alt.Chart().mark_rule(color="gray", strokeWidth=2).encode(y=y, x=alt.X("low:Q", scale=scale), x2="high:Q")
    tip = [
        alt.Tooltip("label:N", title="network"),
        *(alt.Tooltip(f"{c}:Q", format=".3~g") for c in ("speedup", "low", "high", "batch_size")),
        alt.Tooltip("verdict:N"),
    ]
    x = alt.X("speedup:Q", title="times as fast as the reference", scale=scale, axis=alt.Axis(format="~g", tickCount=5))
    point = (
        alt.Chart()
        .mark_point(filled=True, size=60, stroke="currentColor")
        .encode(y=y, x=x, tooltip=tip, **live.family_channels(rows["family"]), **live.compared())
    )
    one = alt.Chart().mark_rule(strokeDash=[3, 3], color="gray").encode(x=alt.datum(1))
    return live.facets([one, line, point], {"ratios": rows}, width=380, height=alt.Step(14))
