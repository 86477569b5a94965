"""Names beside the points of a figure on paper."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.charts import _labels
from analysis.charts._style import Style
from analysis.charts.base import MOST_NAMED, settle, short
from analysis.frame import metrics
from analysis.stats.pareto import frontier

LABEL_SIZE = 6.3


def label(
    axis: Axes, rows: pd.DataFrame, x: str, y: str, style: Style, avoid: pd.DataFrame | None = None, sizes: float | pd.Series = 26
) -> list[str]:
    """Names beside points, on no other name, point (of `avoid`, or `rows`) or line of the axis if that can be; returns the names that found no place.

    sizes: area of the markers in square points, of `avoid` (or `rows`), as `scatter` takes it.
    """
    if rows.empty:
        return []
    if len(rows) > MOST_NAMED:
        avoid = rows if avoid is None else avoid
        cost = rows[x] if metrics.METRICS[x].better == "lower" else -rows[x]
        rows = rows[frontier(cost.to_numpy(float), rows[y].to_numpy(float))]
        axis.annotate(f"named: the {len(rows)} networks that nothing beats in both", (0.99, 0.01), xycoords="axes fraction", ha="right", va="bottom", fontsize=6.5, color=style.muted)  # fmt: skip
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
    return _labels.place(
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
