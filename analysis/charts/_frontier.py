"""Pareto frontiers in interactive charts: computed by the page from the rows that its filters leave, with the names along them."""

from typing import Any

import altair as alt

from analysis.charts._interactive import HEIGHT, WIDTH, channel


def spanned(chart: Any, x: str, y: str) -> Any:
    """Facets whose rows know the spans that all panels share: x0, x1, y0, y1, bands included; what `layers` needs to keep names apart."""
    return chart.transform_calculate(
        lowest=f"isValid(datum.plo) ? datum.plo : datum.{y}", highest=f"isValid(datum.phi) ? datum.phi : datum.{y}"
    ).transform_joinaggregate(x0=f"min({x})", x1=f"max({x})", y0="min(lowest)", y1="max(highest)", groupby=[])


LETTER, LABEL_HEIGHT = 5.8, 12  # px that a letter of a name, and a name, take


def window(op: str, field: str, name: str) -> Any:
    """A column `name` made by a window's operation on a field."""
    named: dict[str, Any] = {"op": op, "field": field, "as": name}
    return alt.WindowFieldDef(**named)


def layers(x: str, y: str, lower: bool) -> list[Any]:
    """Layers of the Pareto frontier of whatever the filters leave: a stepped line per batch size and scenario, and the names along it.

    lower: less of x is better, more of y always. A name stands outside the frontier (the first inside, where the panel ends); it is left out
    where it would lie on the one before, and all are where several batch sizes or scenarios are shown, whose frontiers cross.
    """
    step: Any = "step-after" if lower else "step-before"
    group = ["panel", "batch_size", "scenario"]
    order: list[Any] = [alt.SortField(x, order="ascending" if lower else "descending"), alt.SortField(y, order="descending")]
    on = (
        alt.Chart()
        .transform_filter(f"isValid(datum.{x}) && isValid(datum.{y}) && isValid(datum.label)")
        .transform_joinaggregate(sizes="distinct(batch_size)", scenarios="distinct(scenario)", groupby=["panel"])
        .transform_window([window("max", y, "best")], frame=[None, 0], sort=order, groupby=group)
        .transform_window([window("lag", "best", "before")], sort=order, groupby=group)  # a frame can't end before its row
        .transform_filter(f"!isValid(datum.before) || datum.{y} > datum.before")
    )
    channels = {"x": channel(alt.X, x), "y": channel(alt.Y, y)}
    line = on.mark_line(interpolate=step, color="gray", strokeWidth=1.6).encode(detail=["batch_size:N", "scenario:N"], **channels)
    at = f"{WIDTH} * log(datum.{x} / datum.x0) / max(log(datum.x1 / datum.x0), 1e-9)"
    named = (
        on.transform_window(
            [window("lag", x, "x_last"), window("lag", y, "y_last")],
            sort=order,
            groupby=group,
        )
        .transform_calculate(
            at=at if lower else f"{WIDTH} - {at}",  # px from the better end
            wide=f"{LETTER} * length(datum.label) + 8",
            across=f"{WIDTH} * abs(log(datum.{x} / datum.x_last)) / max(log(datum.x1 / datum.x0), 1e-9)",
            up=f"{HEIGHT} * (datum.{y} - datum.y_last) / max(datum.y1 - datum.y0, 1e-9)",
        )
        .transform_filter(
            "(datum.at >= datum.wide || !isValid(datum.x_last)) && datum.sizes == 1 && datum.scenarios == 1 && "
            f"(!isValid(datum.x_last) || datum.across > datum.wide || datum.up > {1.6 * LABEL_HEIGHT})"
        )
    )
    outside: Any
    inside: Any
    outside, inside = ("right", "left") if lower else ("left", "right")
    texts = [
        named.transform_filter(f"datum.at {sign} datum.wide")
        .mark_text(fontSize=10, align=align, dx=4 if align == "left" else -4, dy=dy, color="currentColor", clip=True)
        .encode(text="label:N", **channels)
        for sign, align, dy in ((">=", outside, -8), ("<", inside, 10))
    ]
    return [line, *texts]
