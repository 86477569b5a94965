"""What charts share: choosing cells, scatter by family, labels that don't overlap, fitted curves with bands, legends, interactive layers.

`PER = "platform"` in a chart's module asks for one figure per platform; otherwise it gets the whole frame once.
"""

from collections.abc import Sequence
from typing import Any

import altair as alt
import matplotlib

matplotlib.use("Agg")
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.lines import Line2D  # noqa: E402
from matplotlib.ticker import FuncFormatter, NullFormatter  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import textalloc  # noqa: E402

from analysis import metrics, style as styles  # noqa: E402
from analysis.fit import Fit  # noqa: E402
from analysis.frame import ranked  # noqa: E402
from analysis.style import Style  # noqa: E402

LABEL_SIZE = 6.3
POINTS = 40  # per curve
BUBBLE = 4.0  # square points of bubble area per million parameters


def slice_of(frame: pd.DataFrame, scenario: str = "latency") -> pd.DataFrame:
    """The ranked cells of a scenario at the smallest batch size of each platform and series, with metrics as columns."""
    cells = ranked(frame)
    cells = cells[cells["scenario"] == scenario]
    return metrics.table(cells[cells["batch_size"] == cells.groupby("platform")["batch_size"].transform("min")])


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
        axis.scatter(rows.loc[mine, x], rows.loc[mine, y], s=area, c=colour, marker=styles.marker(family), edgecolors=style.ink, linewidths=0.4, alpha=0.85, zorder=3)
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


def label(axis: Axes, rows: pd.DataFrame, x: str, y: str, style: Style, avoid: pd.DataFrame | None = None, texts: Sequence[str] | None = None) -> None:
    """Names beside points, placed so that they overlap neither each other nor any point of `avoid`; a thin line where one had to move away."""
    if rows.empty:
        return
    others = rows if avoid is None else avoid
    axis.figure.draw_without_rendering()  # the layout must be known before places are
    _, _, drawn, lines = textalloc.allocate(
        axis, rows[x].to_list(), rows[y].to_list(), list(texts) if texts is not None else short(rows["label"]), x_scatter=others[x].to_list(), y_scatter=others[y].to_list(),
        textsize=LABEL_SIZE, textcolor=style.ink, linecolor=style.muted, linewidth=0.4, nbr_candidates=120, margin=0.006, min_distance=0.012, max_distance=0.25,
        draw_all=False,
    )  # fmt: skip
    for item in (*drawn, *lines):
        for artist in item if isinstance(item, list) else [item]:
            if artist is not None:
                artist.set_in_layout(False)


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


def grid(fit: Fit, log_x: bool) -> np.ndarray:
    """Where a curve is evaluated: the range of its data, no further."""
    return np.geomspace(*fit.x_range, POINTS) if log_x else np.linspace(*fit.x_range, POINTS)


def bands(fit: Fit, log_x: bool, **keys: Any) -> pd.DataFrame:
    """A curve as rows x, y, lo, hi, plo, phi for an interactive chart, with the keys that its filters need."""
    x = grid(fit, log_x)[:: 2 if POINTS > 30 else 1]
    return pd.DataFrame({"x": x, **fit.curve(x)}).assign(**keys)


def family_legend(figure: Figure, rows: pd.DataFrame, style: Style, extra: Sequence[Line2D] = ()) -> None:
    """One legend of the families that are there, below the figure."""
    handles = [Line2D([], [], linestyle="", marker=styles.marker(f), markerfacecolor=styles.family(f)[0], markeredgecolor=style.ink, markeredgewidth=0.4, markersize=5.5, label=f)
               for f in styles.order(rows["family"])]  # fmt: skip
    figure.legend(handles=[*handles, *extra], loc="outside lower center", ncols=min(len(handles) + len(extra), 8 if figure.get_figwidth() > 8 else 6), handletextpad=0.3, columnspacing=1.2)


def band_handles(style: Style) -> list[Line2D]:
    """Legend entries of a fitted curve and its bands."""
    return [Line2D([], [], color=style.curve, linewidth=1.3, label="fit"), Line2D([], [], color=style.curve, alpha=0.25, linewidth=7, label="95 % confidence"),
            Line2D([], [], color=style.curve, alpha=0.1, linewidth=7, label="95 % prediction")]  # fmt: skip


def best(rows: pd.DataFrame, column: str) -> pd.Series:
    """The row that is best by a metric."""
    index = rows[column].idxmax() if metrics.METRICS[column].better == "higher" else rows[column].idxmin()
    return rows.loc[index]


# Interactive charts. Their data sets are named, so that the page holds each once and filters it; rows carry the fields that filters look for.

IDENTITY = ("platform", "series", "backend", "device", "precision", "batch_size", "scenario", "input_px", "label", "family")


def named(chart: Any, **tables: pd.DataFrame) -> Any:
    """The chart with its named data sets inside, as a notebook shows it."""
    chart.datasets = {name: _rows(table) for name, table in tables.items()}
    return chart


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    clean = table.astype(object).where(table.notna(), None)
    return clean.to_dict("records")


def cells_table(frame: pd.DataFrame) -> pd.DataFrame:
    """The cells that interactive charts draw: ranked ones, their identity and every metric."""
    rows = metrics.table(ranked(frame))
    return rows[[*IDENTITY, *metrics.METRICS]].assign(panel=rows["platform"] + " · " + rows["series"])


def networks_table(frame: pd.DataFrame) -> pd.DataFrame:
    """The networks that interactive charts draw."""
    return networks(frame)[["label", "family", "params", "params_size", "macs", "top1", "top5", "density"]]


def channel(kind: Any, name: str, **scale: Any) -> Any:
    """An axis of a metric: title, unit and scale from its definition."""
    metric = metrics.METRICS[name]
    scale = {"zero": False, "nice": True} | ({"type": "log"} if metric.log else {}) | scale
    axis = alt.Axis(format="~s" if metric.log else "", tickCount=6)
    return kind(f"{name}:Q", title=metric.title, scale=alt.Scale(**scale), axis=axis)


def family_channels(families: Sequence[str]) -> dict[str, Any]:
    """Colour and shape by family, in one legend."""
    domain = styles.order(families)
    colours, shapes = zip(*(styles.family(f) for f in domain), strict=True) if domain else ((), ())
    return {
        "color": alt.Color("family:N", title="family", scale=alt.Scale(domain=domain, range=list(colours)), legend=alt.Legend(orient="bottom", columns=7)),
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


def points(data: str, x: str, y: str, families: Sequence[str], tooltip: Sequence[str], **more: Any) -> Any:
    """A layer of points from a named data set."""
    mark = alt.Chart(alt.NamedData(data)).mark_point(filled=True, size=70, stroke="currentColor")
    return mark.encode(x=channel(alt.X, x), y=channel(alt.Y, y), tooltip=tips(*tooltip), **family_channels(families), **compared(), **more)


def band_layers(data: str, x: str, y: str) -> list[Any]:
    """Layers of a curve and its bands from a named data set made by `bands`."""
    base = alt.Chart(alt.NamedData(data)).encode(x=alt.X("x:Q", title=metrics.METRICS[x].title))
    area = [base.mark_area(opacity=o, color="gray").encode(y=alt.Y(f"{a}:Q", title=metrics.METRICS[y].title), y2=f"{b}:Q") for a, b, o in (("plo", "phi", 0.12), ("lo", "hi", 0.25))]
    return [*area, base.mark_line(color="gray", strokeWidth=1.6, clip=True).encode(y=alt.Y("y:Q", title=metrics.METRICS[y].title))]
