"""The table of inference time by network and batch size, coloured (Zhao's figure 3, Wang's figure 4)."""

import functools
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from analysis.charts import base
from analysis.charts._style import HEAT, HEAT_DARK_FROM, Style
from analysis.frame import metrics
from analysis.frame.cached import computed_once
from analysis.frame.frame import latest
from analysis.frame.words import plural

TITLE = "Inference time by network and batch size"
ORDER = 30
PER = "platform"
TEXT_SIZE = 6.0  # points
LEAST_BAR = 6  # rows and columns; beside a smaller table a colour bar can't be read, and its numbers say all
DARK_INK = "#1b1f24"


@computed_once
def rows_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Every cell with a latency, contended ones included (they carry a dagger)."""
    cells = latest(frame[(frame["role"] == "cell") & (frame["scenario"] == "latency")])
    return metrics.table(cells[(cells["status"] == "ok") & cells["latency_s"].notna()])


def applies(frame: pd.DataFrame) -> str | None:
    """Why there is no such chart."""
    return base.enough(rows_of(frame), "time_per_image", least=1) or base.readable(rows_of(frame)["label"].nunique())


def draw(frame: pd.DataFrame, style: Style) -> Figure:
    """A coloured table per series, networks in one order (by mean of logarithms), one colour scale for all; contended cells carry a dagger."""
    rows = rows_of(frame)
    tables = {s: g.pivot_table(index="label", columns="batch_size", values="time_per_image") for s, g in rows.groupby("series")}
    order = (
        np.log(rows.pivot_table(index="label", columns=["series", "batch_size"], values="time_per_image")).mean(axis=1).sort_values().index
    )
    widths = [t.shape[1] for t in tables.values()]
    figure = Figure(figsize=(2.1 + 0.52 * sum(widths) + 0.3 * len(widths), 1.3 + 0.185 * len(order)), layout="constrained")
    axes = figure.subplots(1, len(tables), sharey=True, width_ratios=widths, squeeze=False)[0]
    scaled = rows.loc[~rows["contended"], "time_per_image"] if not rows["contended"].all() else rows["time_per_image"]
    norm = LogNorm(scaled.min(), scaled.max() * 1.0001, clip=True)
    contended = set(rows.loc[rows["contended"], ["series", "label", "batch_size"]].itertuples(index=False, name=None))
    texts = []
    image: Any = None
    for axis, (series, table) in zip(axes, tables.items(), strict=True):
        table = table.reindex(order)
        image = axis.imshow(table, norm=norm, cmap=HEAT, aspect="auto")
        words: dict[str, list[tuple[float, float, str]]] = {"white": [], DARK_INK: [], style.ink: []}
        for i, j in np.ndindex(table.shape):
            value = table.iat[i, j]
            colour = style.ink if not np.isfinite(value) else "white" if norm(value) > HEAT_DARK_FROM else DARK_INK
            star = "†" if (series, table.index[i], table.columns[j]) in contended else ""
            words[colour].append((j, i, metrics.time_per_image.format(value) + star))
        texts.append((axis, words))
        axis.set_title(series, loc="left")
        axis.set_xticks(range(table.shape[1]), [f"{b:.0f}" for b in table.columns])
        axis.set_yticks(range(len(order)), base.short(order), fontsize=7)
        axis.grid(False)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        axis.set_xlabel("batch size")
    words_below = [metrics.time_per_image.title, *(["†: contended"] if contended else [])]
    words_below += ["—: no time, see Coverage"] if rows_missing(tables, order) else []
    if sum(widths) >= LEAST_BAR and len(order) >= LEAST_BAR:
        bar = figure.colorbar(image, ax=list(axes), location="bottom", fraction=0.025, pad=0.01, aspect=50, format="%g")
        bar.set_label("; ".join(words_below))
        bar.outline.set_visible(False)
    else:
        figure.supxlabel("\n".join(words_below), fontsize=7)
    base.settle(figure)
    for axis, words in texts:
        for colour, entries in words.items():
            write(axis, entries, colour)
    return figure


@functools.cache
def glyph(letter: str) -> tuple[Path, float]:
    """(outline, advance) of a letter, in points."""
    font = FontProperties(family="DejaVu Sans")
    pair = TextPath((0, 0), letter + "0", size=TEXT_SIZE, prop=font).vertices[:, 0].max()
    zero = TextPath((0, 0), "0", size=TEXT_SIZE, prop=font).vertices[:, 0].max()
    outline = TextPath((0, 0), letter, size=TEXT_SIZE, prop=font)
    return Path(outline.vertices - [0, TEXT_SIZE * 0.36], outline.codes), pair - zero


def write(axis: Axes, entries: list[tuple[float, float, str]], colour: str) -> None:
    """Many short texts in one colour, a collection per letter: a thousand text artists would take seconds in each format.

    The layout must be settled, since places of letters are found in it.
    """
    box = axis.get_window_extent().transformed(axis.figure.dpi_scale_trans.inverted())
    per_point = abs(np.subtract(*axis.get_xlim())) / (72 * box.width)
    places: dict[str, list[tuple[float, float]]] = {}
    for x, y, text in entries:
        at = x - per_point * sum(glyph(letter)[1] for letter in text) / 2
        for letter in text:
            places.setdefault(letter, []).append((at, y))
            at += per_point * glyph(letter)[1]
    for letter, offsets in places.items():
        marks = PathCollection([glyph(letter)[0]], offsets=offsets, offset_transform=axis.transData, facecolors=colour, linewidths=0)
        marks.set_transform(Affine2D().scale(1 / 72) + axis.figure.dpi_scale_trans)
        marks.set_snap(False)  # a dash, thinner than a pixel, would be snapped away
        axis.add_collection(marks, autolim=False)


def rows_missing(tables: dict[str, pd.DataFrame], order: pd.Index) -> bool:
    """Whether any table has a gap."""
    return any(table.reindex(order).isna().any(axis=None) for table in tables.values())


def explain(frame: pd.DataFrame) -> str:
    """How much a larger batch gains."""
    rows = rows_of(frame)
    if rows["contended"].all():
        return f"All {len(rows)} cells were contended: others were using this CPU or GPU, so these times can't be compared."
    rows = rows[~rows["contended"]]
    said = []
    for (platform, series), mine in rows.groupby(["platform", "series"]):
        wide = mine.pivot_table(index="label", columns="batch_size", values="time_per_image").dropna(axis=1, how="all")
        if wide.shape[1] < 2:
            continue
        first, last = wide.columns.min(), wide.columns.max()
        both = wide[[first, last]].dropna()
        if both.empty:
            continue
        change = 100 * np.expm1(np.log(both[last] / both[first]).mean())
        said.append(
            f"with {series} on {platform} {abs(change):.0f} % {'more' if change > 0 else 'less'} time at batch {last:.0f} than at batch {first:.0f}"
        )
    if not said:
        sizes = rows["batch_size"].nunique()
        return f"{plural(rows['model'].nunique(), 'network')} at {plural(sizes, 'batch size')}{', none at two' if sizes > 1 else ''}."
    return f"An image takes, by the geometric mean of the networks, {'; '.join(said)}."
