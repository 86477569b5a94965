"""What charts share: choosing cells, scatter by family, labels that don't overlap, fitted curves with bands, legends, interactive layers.

`PER = "platform"` in a chart's module asks for one figure per platform; otherwise it gets the whole frame once.
"""

import re
import textwrap
from collections.abc import Sequence
from typing import Any

import altair as alt
import matplotlib

matplotlib.use("Agg")
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import PlaceHolderLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from analysis import labels, metrics
from analysis import style as styles
from analysis.fit import Fit
from analysis.frame import ranked
from analysis.once import once
from analysis.style import Style

LABEL_SIZE = 6.3
POINTS = 40  # per curve
WIDTH, HEIGHT = 470, 300  # of an interactive panel, in px
BUBBLE = 2.4  # square points of bubble area per million parameters


@once
def slice_of(frame: pd.DataFrame, scenario: str = "latency") -> pd.DataFrame:
    """The ranked cells of a scenario at the smallest batch size of each platform and series, with metrics as columns."""
    cells = ranked(frame)
    cells = cells[cells["scenario"] == scenario]
    return metrics.table(cells[cells["batch_size"] == cells.groupby("platform")["batch_size"].transform("min")])


@once
def networks(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per network (and input size), whatever measured it: complexity, parameters and accuracy, with metrics as columns."""
    rows = metrics.table(frame[(frame["status"] == "ok") & frame["params_m"].notna()])
    return rows.drop_duplicates("label").sort_values("label").reset_index(drop=True)


def enough(rows: pd.DataFrame, *columns: str, least: int = 2) -> str | None:
    """Why these rows make no chart: too few have every column; None when they do."""
    found = rows.dropna(subset=list(columns))["label"].nunique() if len(rows) else 0
    if found >= least:
        return None
    titles = " and ".join(metrics.METRICS[c].label if c in metrics.METRICS else c for c in columns)
    return f"{found} network(s) have {titles}; {least} are needed"


def panels(count: int, style: Style, width: float = 7.2, height: float = 4.4) -> tuple[Figure, list[Axes]]:
    """A figure with that many panels: one wide, or rows of two."""
    columns = 1 if count == 1 else 2
    rows = -(-count // columns)
    figure = Figure(figsize=(width if columns == 1 else 1.35 * width, height * rows), layout="constrained")
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(count)]
    return figure, axes


def scatter(axis: Axes, rows: pd.DataFrame, x: str, y: str, style: Style, size: float | pd.Series = 26) -> None:
    """Points by family: colour and shape as everywhere; axes are named and scaled by their metrics."""
    for family in styles.order(rows["family"]):
        mine = rows["family"] == family
        area = size[mine] if isinstance(size, pd.Series) else size
        colour = styles.family(family)[0]
        axis.scatter(
            rows.loc[mine, x],
            rows.loc[mine, y],
            s=area,
            c=colour,
            marker=styles.marker(family),
            edgecolors=style.ink,
            linewidths=0.4,
            alpha=0.85,
            zorder=3,
        )
    for name, which in ((x, "x"), (y, "y")):
        metric = metrics.METRICS[name]
        getattr(axis, f"set_{which}label")(metric.title)
        if metric.log:
            log_axis(axis, which)


def log_axis(axis: Axes, which: str) -> None:
    """A logarithmic axis with plain numbers at 1, 2 and 5."""
    getattr(axis, f"set_{which}scale")("log")
    low, high = getattr(axis, f"get_{which}lim")()
    side = getattr(axis, f"{which}axis")
    wide = np.log10(high / low) > 2.2
    side.set_major_locator(matplotlib.ticker.LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0), numticks=20))
    side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    side.set_minor_formatter(NullFormatter())
    if not wide:
        side.set_minor_locator(NullLocator())  # 1, 2, 5 are marks enough, and each mark costs in every format


def label(
    axis: Axes, rows: pd.DataFrame, x: str, y: str, style: Style, avoid: pd.DataFrame | None = None, sizes: float | pd.Series = 26
) -> list[str]:
    """Names beside points, on no other name, point (of `avoid`, or `rows`) or line of the axis if that can be; returns the names that found no place.

    sizes: area of the markers in square points, of `avoid` (or `rows`), as `scatter` takes it.
    """
    if rows.empty:
        return []
    settle(axis.figure)
    px = axis.figure.dpi / 72
    others = rows if avoid is None else avoid
    radii = np.sqrt(sizes if isinstance(sizes, pd.Series) else pd.Series(sizes, index=others.index, dtype=float)) / 2 * px + 0.5
    dots = np.column_stack([axis.transData.transform(others[[x, y]].to_numpy(float)), radii])
    paths = [
        axis.transData.transform(_dense(line.get_path().vertices, line.get_drawstyle()))
        for line in axis.get_lines()
        if np.size(line.get_xdata()) > 1
    ]
    lines = np.concatenate(paths) if paths else np.empty((0, 2))
    return labels.place(
        axis,
        rows[x].to_list(),
        rows[y].to_list(),
        short(rows["label"]),
        radii[rows.index].to_list(),
        dots,
        lines,
        LABEL_SIZE,
        style.ink,
        style.muted,
    )


def _dense(vertices: Any, drawstyle: str) -> np.ndarray:
    """Points close together along a line, corners of steps included."""
    points = np.asarray(vertices, float)
    if drawstyle.startswith("steps"):
        corners = np.repeat(points, 2, axis=0)
        points = (
            np.column_stack([corners[1:, 0], corners[:-1, 1]])
            if drawstyle == "steps-post"
            else np.column_stack([corners[:-1, 0], corners[1:, 1]])
        )
    share = np.linspace(0, 1, 12)[None, :, None]
    return (points[:-1, None] + share * (points[1:, None] - points[:-1, None])).reshape(-1, 2)


def settle(figure: Any) -> None:
    """Lay the figure out once and for all: places of labels are found in it, and three formats are saved from it."""
    engine = figure.get_layout_engine()
    if not isinstance(engine, PlaceHolderLayoutEngine | None):
        engine.execute(figure)  # a drawing without rendering would do the same, and then draw
        figure.set_layout_engine("none")
    for axis in figure.axes:  # the solver's last digits depend on where objects lie in memory; the same records give the same file
        axis.set_position(axis.get_position(original=True).from_bounds(*np.round(axis.get_position(original=True).bounds, 6)))


def caption(axis: Axes, name: str, summary: str = "") -> None:
    """A panel's title: its name, and below it what was fitted, wrapped to the panel's width in lines of like length."""
    figure: Any = axis.figure
    place: Any = axis.get_subplotspec()
    width = int(figure.get_figwidth() * 14 / place.get_gridspec().ncols)
    # No line begins with a number that belongs to the name before it, or with a unit.
    summary = re.sub(r"(?<=\d) (?=%|GB/s|GFLOP/s)", "\u00a0", summary.replace(" = ", "\u00a0=\u00a0"))
    lines = textwrap.wrap(summary, width, break_on_hyphens=False)
    while len(lines) > 1 and width > 20:
        narrower = textwrap.wrap(summary, width - 1, break_on_hyphens=False)
        if len(narrower) > len(lines):
            break
        lines, width = narrower, width - 1
    axis.set_title("\n".join(filter(None, [name, *lines])), loc="left", fontsize=7.5)


def short(labels: Sequence[str]) -> list[str]:
    """Names without their source (`timm:dpn68` -> dpn68), which the tables keep."""
    return [str(name).split(":")[-1] for name in labels]


def curve(axis: Axes, fit: Fit | None, style: Style, log_x: bool) -> None:
    """A fitted curve over the data's range, its 95 % confidence band and, lighter, its prediction band."""
    if fit is None:
        return
    x = grid(fit, log_x)
    bands = fit.curve(x)
    limits = axis.get_ylim()
    axis.fill_between(x, bands["plo"], bands["phi"], color=style.curve, alpha=0.08, linewidth=0, zorder=1)
    axis.fill_between(x, bands["lo"], bands["hi"], color=style.curve, alpha=0.18, linewidth=0, zorder=1)
    axis.plot(x, bands["y"], color=style.curve, linewidth=1.3, zorder=2)
    axis.set_ylim(limits)


def grid(fit: Fit, log_x: bool, count: int = POINTS) -> np.ndarray:
    """Where a curve is evaluated: the range of its data, no further."""
    return np.geomspace(*fit.x_range, count) if log_x else np.linspace(*fit.x_range, count)


def bands(fit: Fit, log_x: bool, **keys: Any) -> pd.DataFrame:
    """A curve as rows x, y, lo, hi, plo, phi for an interactive chart, with the keys that its filters need."""
    x = grid(fit, log_x, POINTS // 2)
    return pd.DataFrame({"x": x, **fit.curve(x)}).assign(**keys)


def family_legend(figure: Figure, rows: pd.DataFrame, style: Style, extra: Sequence[Artist] = ()) -> None:
    """One legend of the families that are there, below the figure."""
    handles = [Line2D([], [], linestyle="", marker=styles.marker(f), markerfacecolor=styles.family(f)[0], markeredgecolor=style.ink, markeredgewidth=0.4, markersize=5.5, label=f)
               for f in styles.order(rows["family"])]  # fmt: skip
    figure.legend(
        handles=[*handles, *extra],
        loc="outside lower center",
        ncols=min(len(handles) + len(extra), 8 if figure.get_figwidth() > 8 else 6),
        handletextpad=0.5,
        handlelength=1.6,
        columnspacing=1.2,
    )


def band_handles(style: Style) -> list[Artist]:
    """Legend entries of a fitted curve and its bands."""
    return [Line2D([], [], color=style.curve, linewidth=1.3, label="fit"), Patch(color=style.curve, alpha=0.25, linewidth=0, label="95 % confidence"),
            Patch(color=style.curve, alpha=0.1, linewidth=0, label="95 % prediction")]  # fmt: skip


def best(rows: pd.DataFrame, column: str) -> pd.Series:
    """The row that is best by a metric."""
    index = rows[column].idxmax() if metrics.METRICS[column].better == "higher" else rows[column].idxmin()
    return rows.loc[index]


# Interactive charts. Their data sets are named, so that the page holds each once and filters it; rows carry the fields that filters look for.

IDENTITY = ("platform", "series", "backend", "device", "precision", "batch_size", "scenario", "input_px", "label", "family")


def named(chart: Any, **tables: pd.DataFrame) -> Any:
    """The chart with its named data sets inside, as a notebook shows it; `a+b` is the union of a and b."""
    rows = {name: _rows(table) for name, table in tables.items()}
    if len(rows) > 1:
        rows["+".join(rows)] = [row for each in rows.values() for row in each]
    chart.datasets = rows
    return chart


def facets(layers: Sequence[Any], tables: dict[str, pd.DataFrame], **size: Any) -> Any:
    """Layers without data of their own, repeated in a panel per platform and series (`panel`), over the union of the tables."""
    chart = alt.layer(*layers, data=alt.NamedData("+".join(tables))).properties(
        width=size.get("width", WIDTH), height=size.get("height", HEIGHT)
    )
    return named(chart.facet(facet=alt.Facet("panel:N", title=None), columns=2), **tables)


def keys_of(rows: pd.DataFrame, platform: str, series: str) -> dict[str, Any]:
    """What the page's filters need to know of a curve of one platform and series."""
    row = rows[(rows["platform"] == platform) & (rows["series"] == series)].iloc[0]
    return {name: row[name] for name in ("platform", "series", "backend", "device", "precision", "batch_size", "scenario")} | {
        "panel": f"{platform} · {series}"
    }


def source(data: str) -> Any:
    """A chart on a named data set; without a name it inherits that of its facets."""
    return alt.Chart(alt.NamedData(data)) if data else alt.Chart()


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    clean = table.astype(object).where(table.notna(), None)
    return clean.to_dict("records")


@once
def cells_table(frame: pd.DataFrame) -> pd.DataFrame:
    """The cells that interactive charts draw: ranked ones, their identity and every metric."""
    rows = metrics.table(ranked(frame))
    return rows[[*IDENTITY, *metrics.METRICS]].assign(panel=rows["platform"] + " · " + rows["series"])


def networks_table(frame: pd.DataFrame) -> pd.DataFrame:
    """The networks that interactive charts draw."""
    return networks(frame)[["label", "family", "params", "params_size", "macs", "top1", "top5", "density"]]


MAJOR = "abs(log(datum.value) / LN10 - round(log(datum.value) / LN10)) < 1e-6"


def channel(kind: Any, name: str, log: bool | None = None) -> Any:
    """An axis of a metric: title, unit and scale from its definition; on a logarithmic one grid lines stand at powers of ten."""
    metric = metrics.METRICS[name]
    if metric.log if log is None else log:
        axis = alt.Axis(format=",~g", tickCount=6, gridOpacity=alt.ConditionalAxisNumber(condition={"test": MAJOR, "value": 1}, value=0))
        return kind(f"{name}:Q", title=metric.title, scale=alt.Scale(type="log", nice=False, padding=12), axis=axis)
    return kind(f"{name}:Q", title=metric.title, scale=alt.Scale(zero=False, nice=True), axis=alt.Axis(tickCount=6))


def family_channels(families: Sequence[str]) -> dict[str, Any]:
    """Colour and shape by family, in one legend."""
    domain = styles.order(families)
    colours, shapes = zip(*(styles.family(f) for f in domain), strict=True) if domain else ((), ())
    return {
        "color": alt.Color(
            "family:N", title="family", scale=alt.Scale(domain=domain, range=list(colours)), legend=alt.Legend(orient="bottom", columns=7)
        ),
        "shape": alt.Shape("family:N", title="family", scale=alt.Scale(domain=domain, range=list(shapes))),
    }


def compared() -> dict[str, Any]:
    """Opacity and outline by the page's comparison: `on` is 1 for chosen networks, -1 for others while some are chosen."""
    return {
        "opacity": alt.condition("datum.on < 0", alt.value(0.15), alt.value(0.9)),
        "strokeWidth": alt.condition("datum.on > 0", alt.value(2.5), alt.value(0.5)),
    }


def tips(*names: str) -> list[Any]:
    """Tooltip lines: the network first, then fields and metrics with their titles."""
    lines = []
    for name in ("label", *names):
        metric = metrics.METRICS.get(name)
        title = metric.title if metric else {"label": "network", "series": "backend", "batch_size": "batch size"}.get(name, name)
        lines.append(alt.Tooltip(f"{name}:Q", title=title, format=",.4~g") if metric else alt.Tooltip(f"{name}:N", title=title))
    return lines


def points(data: str, x: str, y: str, families: Sequence[str], tooltip: Sequence[str], log: bool | None = None, **more: Any) -> Any:
    """A layer of points; rows that lack either value (curves, for one) are left out."""
    mark = (
        source(data)
        .transform_filter(f"isValid(datum.{x}) && isValid(datum.{y}) && isValid(datum.label)")
        .mark_point(filled=True, size=70, stroke="currentColor")
    )
    return mark.encode(
        x=channel(alt.X, x, log), y=channel(alt.Y, y, log), tooltip=tips(*tooltip), **family_channels(families), **compared(), **more
    )


def band_layers(data: str, x: str, y: str) -> list[Any]:
    """Layers of a curve and its bands, from rows made by `bands`."""
    base = source(data).transform_filter("isValid(datum.plo)").encode(x=alt.X("x:Q", title=metrics.METRICS[x].title))
    title = metrics.METRICS[y].title
    area = [
        base.mark_area(opacity=o, color="gray", clip=True).encode(y=alt.Y(f"{a}:Q", title=title), y2=f"{b}:Q")
        for a, b, o in (("plo", "phi", 0.12), ("lo", "hi", 0.25))
    ]
    return [*area, base.mark_line(color="gray", strokeWidth=1.6, clip=True).encode(y=alt.Y("y:Q", title=title))]
