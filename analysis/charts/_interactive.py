"""What interactive charts share: named data sets, axes and colours from the metrics, points, frontiers that follow the filters, curves with bands.

The data sets are named, so that the page holds each once and filters it; rows carry the fields that filters look for.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import altair as alt
import pandas as pd

from analysis.charts import _columns
from analysis.charts import _style as styles
from analysis.charts.base import POINTS, bounded, grid, networks
from analysis.frame import metrics
from analysis.frame.cached import computed_once
from analysis.frame.frame import ranked
from analysis.stats.fit import Fit

WIDTH, HEIGHT = 470, 300  # of a panel, px


def bands(fit: Fit, log_x: bool, metric: str = "", **keys: Any) -> pd.DataFrame:
    """A curve as rows x, y, lo, hi, plo, phi for an interactive chart, with the keys that its filters need."""
    x = grid(fit, log_x, POINTS // 2)
    return pd.DataFrame({"x": x, **bounded(fit.curve(x), metric)}).assign(**keys)


IDENTITY = ("platform", "series", "backend", "device", "precision", "batch_size", "scenario", "input_px", "label", "family")


_by_column: ContextVar[bool] = ContextVar("by_column", default=False)


@contextmanager
def by_column() -> Iterator[None]:
    """Within it charts hold their data sets by column (`_columns.of_table`) and no unions, as the page takes them: rows of 50,000 cells are 100 MB."""
    token = _by_column.set(True)
    try:
        yield
    finally:
        _by_column.reset(token)


def named(chart: Any, **tables: pd.DataFrame) -> Any:
    """The chart with its named data sets inside, as a notebook shows it; `a+b` is the union of a and b."""
    if _by_column.get():
        chart.datasets = {name: _columns.of_table(table) for name, table in tables.items()}
        return chart
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


@computed_once
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
