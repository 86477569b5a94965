"""Time per image against batch size: every network's curve, clusters of shape, their centroids with a fitted law and its band (Wang's figure 5)."""

import functools

import altair as alt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.charts import _interactive as live
from analysis.charts import _style as styles
from analysis.charts import base
from analysis.charts._style import Style
from analysis.frame import metrics
from analysis.frame.cached import once
from analysis.frame.frame import ranked
from analysis.frame.words import plural
from analysis.stats import clusters, fit

TITLE = "Time per image against batch size"
ORDER = 40
PER = "platform"
FREE = ("batch_size",)
LAWS = (fit.BATCH, *(law for law in fit.LAWS if law.name in ("power", "exponential", "logarithmic")))
DASHES = ("-", "--", "-.", ":")
LEAST = 3  # batch sizes


@once
def rows_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Ranked cells with one batch in flight, of networks measured at two batch sizes or more."""
    rows = ranked(frame)
    rows = rows[rows["scenario"] == "latency"]
    return metrics.table(rows[rows.groupby(["platform", "series", "label"])["batch_size"].transform("nunique") > 1])


def applies(frame: pd.DataFrame) -> str | None:
    """Why there is no such chart."""
    return base.enough(rows_of(frame), "time_per_image", least=1)


def groups_of(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series, str]:
    """(networks x batch sizes without gaps, cluster of each network, words on the choice) of one series; one cluster where no number of them is stable."""
    wide = rows.pivot_table(index="label", columns="batch_size", values="time_per_image")
    wide = wide.loc[:, wide.notna().mean() >= 0.75].dropna()
    if wide.shape[1] < LEAST or len(wide) < 6:
        return wide, pd.Series(1, index=wide.index), "too few curves for clusters"
    cluster, words = _cluster(wide.to_numpy().tobytes(), tuple(wide.index), tuple(wide.columns))
    return wide, pd.Series(cluster, index=wide.index), words


@functools.lru_cache(64)
def _cluster(values: bytes, labels: tuple, sizes: tuple) -> tuple[tuple[int, ...], str]:
    """Clusters of a table, kept because the figure and its sentence both ask."""
    wide = pd.DataFrame(np.frombuffer(values).reshape(len(labels), len(sizes)), index=list(labels), columns=list(sizes))
    members, _, words = clusters.cluster(clusters.shapes(wide))
    return tuple(members["cluster"].reindex(wide.index).fillna(1).astype(int)), words


def centroids(wide: pd.DataFrame, cluster: pd.Series) -> list[tuple[int, int, pd.Series, fit.Fit | None]]:
    """(cluster, members, centroid, law) of each cluster: the centroid is the geometric mean, the law is fitted to the members scaled to it."""
    found = []
    for number in sorted(cluster.unique()):
        logs = np.log(wide[cluster == number])
        centre = logs.mean()
        scaled = logs.sub(logs.mean(axis=1), axis=0) + centre.mean()
        x = np.tile(wide.columns.to_numpy(float), len(scaled))
        law = (
            fit.fit(x, np.exp(scaled.to_numpy().ravel()), log_y=True, laws=LAWS)
            if wide.shape[1] >= 4 and len(x) >= base.LEAST_FIT
            else None
        )
        found.append((int(number), len(logs), np.exp(centre), law))
    return found


def draw(frame: pd.DataFrame, style: Style) -> Figure:
    """A panel per series on logarithmic axes: thin curves by family, thick centroids with law and prediction band."""
    rows = rows_of(frame)
    names = sorted(rows["series"].unique())
    figure, axes = base.panels(len(names), style)
    for axis, name in zip(axes, names, strict=True):
        mine = rows[rows["series"] == name]
        for _, curve in mine.sort_values("batch_size").groupby("label"):
            family = curve["family"].iloc[0]
            axis.plot(
                curve["batch_size"],
                curve["time_per_image"],
                color=styles.family(family)[0],
                marker=styles.marker(family),
                markersize=2.5,
                linewidth=0.7,
                alpha=0.6,
            )
        wide, cluster, _ = groups_of(mine)
        for (number, members, centre, law), dash in zip(centroids(wide, cluster), DASHES * 3):
            if law:
                x = base.grid(law, log_x=True)
                bands = law.curve(x)
                axis.fill_between(x, bands["plo"], bands["phi"], color=style.curve, alpha=0.12, linewidth=0)
                axis.plot(
                    x,
                    bands["y"],
                    color=style.ink,
                    linewidth=1.8,
                    linestyle=dash,
                    label=f"cluster {number} ({members}): {law.equation}, R² {law.r2:.2f}",
                )
            axis.plot(
                centre.index,
                centre,
                linestyle="",
                marker="o",
                markersize=4.5,
                markerfacecolor=style.paper,
                markeredgecolor=style.ink,
                zorder=5,
            )
        axis.set_xscale("log", base=2)
        sizes = sorted(mine["batch_size"].unique())
        axis.set_xticks(sizes, [f"{b:.0f}" for b in sizes])
        axis.set_xlabel("batch size (images)")
        axis.set_yscale("log")
        base.log_axis(axis, "y")
        axis.set_ylabel(metrics.time_per_image.title)
        axis.set_title(name, loc="left")
        if axis.get_legend_handles_labels()[0]:
            low, high = axis.get_ylim()
            axis.set_ylim(low, high * (high / low) ** (0.05 + 0.05 * cluster.nunique()))  # room for the legend above the curves
            axis.legend(loc="upper right", fontsize=6.5, handlelength=3)
    base.family_legend(figure, rows, style)
    return figure


def explain(frame: pd.DataFrame) -> str:
    """The law of the largest cluster's centroid, per series."""
    said = []
    for (platform, series), mine in rows_of(frame).groupby(["platform", "series"]):
        wide, cluster, _ = groups_of(mine)
        found = [(members, law) for _, members, _, law in centroids(wide, cluster) if law]
        kinds = f"{cluster.nunique()} clusters of shape" if cluster.nunique() > 1 else "one continuum of shapes"
        if found:
            members, law = max(found, key=lambda c: c[0])
            said.append(f"{series} on {platform}: {kinds}, the largest ({members} networks) follows {law.summary}")
        else:
            said.append(
                f"{series} on {platform}: {plural(len(wide), 'whole curve')} over {plural(wide.shape[1], 'batch size')}, too little for a law"
            )
    return "; ".join(said) + "."


def interactive(frame: pd.DataFrame) -> alt.FacetChart:
    """Curves by family, a panel per platform and series."""
    cells = live.cells_table(frame)
    line = alt.Chart().transform_filter("datum.scenario == 'latency'").mark_line(strokeWidth=1.2)
    channels = live.family_channels(cells["family"])
    line = line.encode(
        x=alt.X("batch_size:Q", title="batch size (images)", scale=alt.Scale(type="log", base=2), axis=alt.Axis(format="d", values=sorted(map(int, cells["batch_size"].unique())))),
        y=live.channel(alt.Y, "time_per_image"), detail="label:N", color=channels["color"], tooltip=live.tips("series", "batch_size", "time_per_image", "throughput"),
        opacity=live.compared()["opacity"],
    )  # fmt: skip
    # Kin share a colour: it takes the points' shapes for the legend to tell families apart.
    points = alt.Chart().transform_filter("datum.scenario == 'latency'").mark_point(filled=True, size=28)
    points = points.encode(
        x="batch_size:Q",
        y=live.channel(alt.Y, "time_per_image"),
        opacity=live.compared()["opacity"],
        tooltip=line.encoding.tooltip,
        **channels,
    )
    return live.facets([line, points], {"cells": cells})
