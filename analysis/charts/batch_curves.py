"""Time per image against batch size: every network's curve, clusters of shape, their centroids with a fitted law and its band (Wang's figure 5)."""

import functools
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.charts import _interactive as live
from analysis.charts import _style as styles
from analysis.charts import base
from analysis.charts._style import Style
from analysis.frame import metrics
from analysis.frame.cached import computed_once
from analysis.frame.frame import ranked, selected
from analysis.frame.words import plural
from analysis.stats import batch_law, clusters, fit

TITLE = "Time per image against batch size"
ORDER = 40
PER = "platform"
FREE = ("batch_size",)
LAWS = (fit.BATCH, *(law for law in fit.LAWS if law.name in ("power", "exponential", "logarithmic")))
DASHES = ("-", "--", "-.", ":")
LEAST = 3  # batch sizes


@computed_once
def rows_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Ranked cells with one batch in flight, of networks measured at two batch sizes or more."""
    rows = ranked(frame)
    rows = selected(rows, rows["scenario"] == "latency")
    return metrics.table(selected(rows, rows.groupby(["platform", "series", "label"])["batch_size"].transform("nunique") > 1))


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
    """Up to which batch size a larger one pays, and how well the law holds."""
    rows, laws = rows_of(frame), laws_of(frame)
    said = []
    for (platform, series), mine in laws.groupby(["platform", "series"]) if len(laws) else ():
        low, middle, high = mine["knee"].quantile([0.25, 0.5, 0.75])
        where = (
            "below batch 1"
            if middle < 1
            else f"at batch {middle:.2g}"
            if len(mine) < 4
            else f"between batch {max(low, 1):.2g} and {high:.2g} for half of {len(mine)} networks"
        )
        said.append(f"with {series} on {platform} {where} (median error of the law {100 * mine['error'].median():.1f} %)")
    if not said:
        return f"{plural(rows['label'].nunique(), 'network')} at two batch sizes or more; a law takes {LEAST}."
    return "The knee, beyond which a larger batch gains little, lies " + "; ".join(said) + "."


def interactive(frame: pd.DataFrame) -> alt.FacetChart:
    """Measured points by family, a panel per platform and series, with the law t(b) = a/b + c of each network and its knee; a line where no law was fitted."""
    cells = live.cells_table(frame)
    laws = laws_of(frame)
    known = set(laws[["panel", "label"]].itertuples(index=False, name=None)) if len(laws) else set()
    drawn = cells.assign(law=[key in known for key in zip(cells["panel"], cells["label"], strict=True)])
    one = alt.Chart().transform_filter("datum.scenario == 'latency' && isValid(datum.time_per_image)")
    channels, opacity = live.family_channels(cells["family"]), live.compared()["opacity"]
    sizes = sorted(map(int, cells["batch_size"].unique()))
    x = alt.X("batch_size:Q", title="batch size (images)", scale=alt.Scale(type="log", base=2), axis=alt.Axis(format="d", values=sizes))
    y = live.channel(alt.Y, "time_per_image")
    tip = live.tips("series", "batch_size", "time_per_image", "throughput")
    lines = (
        one.transform_filter("!datum.law")
        .mark_line(strokeWidth=1.2)
        .encode(x=x, y=y, detail="label:N", color=channels["color"], opacity=opacity)
    )
    # Kin share a colour: it takes the points' shapes for the legend to tell families apart.
    points = one.mark_point(filled=True, size=28).encode(x=x, y=y, opacity=opacity, tooltip=tip, **channels)
    layers: list[Any] = [lines, points]
    tables = {"curves": drawn[[*live.IDENTITY, "panel", "time_per_image", "throughput", "law"]]}
    if len(laws):
        fits = alt.Chart().transform_filter("isValid(datum.t)")
        layers.insert(
            0, fits.mark_line(strokeWidth=1.2).encode(x="b:Q", y=alt.Y("t:Q"), detail="label:N", color=channels["color"], opacity=opacity)
        )
        knees = alt.Chart().transform_filter("isValid(datum.knee)")
        told = [alt.Tooltip("label:N", title="network"), *(alt.Tooltip(f"{name}:Q", title=title, format=",.3~g") for name, title in KNEE)]
        layers.append(
            knees.mark_tick(thickness=2.5, size=13, orient="vertical", color="currentColor").encode(
                x="knee:Q", y="at:Q", opacity=opacity, tooltip=told
            )
        )
        tables |= {"laws": drawn_laws(laws), "knees": laws[laws["knee"].between(laws["first"], laws["last"])].assign(at=2 * laws["law_c"])}
    return live.facets(layers, tables)


LAW_POINTS = 9  # of a curve
KNEE = (("knee", "knee (images)"), ("law_a", "fixed cost (ms per batch)"), ("law_c", "cost (ms per image)"))


def drawn_laws(laws: pd.DataFrame) -> pd.DataFrame:
    """Each law as LAW_POINTS rows b, t between the batch sizes that it was fitted to."""
    share = np.linspace(0, 1, LAW_POINTS)
    rows = laws.loc[laws.index.repeat(LAW_POINTS), ["platform", "series", "backend", "precision", "scenario", "label", "family", "panel"]]
    b = np.exp(np.outer(np.log(laws["first"]), 1 - share) + np.outer(np.log(laws["last"]), share))
    t = laws["law_a"].to_numpy(float)[:, None] / b + laws["law_c"].to_numpy(float)[:, None]
    return rows.assign(b=b.ravel(), t=t.ravel()).reset_index(drop=True)


@computed_once
def laws_of(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per network and series with a law: its two costs in ms, its knee, and the batch sizes between which it was fitted."""
    rows = rows_of(frame)
    if rows.empty:
        return rows
    keys = ["platform", "series", "backend", "precision", "scenario", "label", "family"]
    wide = rows.pivot_table(index=keys, columns="batch_size", values="time_per_image", observed=True)
    sizes, times = wide.columns.to_numpy(float), wide.to_numpy(float)
    a, c = batch_law.two_parameters(sizes, times)
    seen = np.isfinite(times)
    found = wide.index.to_frame(index=False).assign(law_a=a, law_c=c, n=seen.sum(axis=1), first=np.where(seen, sizes, np.inf).min(axis=1), last=np.where(seen, sizes, 0).max(axis=1))  # fmt: skip
    with np.errstate(invalid="ignore"):
        found["error"] = np.nanmedian(np.where(seen, np.abs((a[:, None] / sizes + c[:, None]) / times - 1), np.nan), axis=1)
    found = found[found["n"].ge(LEAST) & found["law_c"].gt(0)]
    found = found.assign(panel=found["platform"] + " · " + found["series"], knee=found["law_a"] / found["law_c"])
    return found[[*keys, "panel", "law_a", "law_c", "knee", "first", "last", "error"]]
