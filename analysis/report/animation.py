"""Figure 1 being drawn, network by network, then the curve and its bands: an animated GIF (Zhao's figure as a film)."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from analysis.charts import _names, base
from analysis.charts import complexity_accuracy as chart
from analysis.charts._style import LIGHT, OKABE_ITO, Style
from analysis.frame import metrics
from analysis.stats import fit
from runner.files import atomic_write

MOST_BYTES = 700_000
SIZE_PX, DPI = (720, 540), 100
NETWORK_MS, CURVE_MS, STILL_MS = 170, 60, 4000
CURVE_FRAMES = 14


def write(path: Path, frame: pd.DataFrame) -> str | None:
    """Write the GIF and return its name; None where figure 1 does not apply. It loops and ends on the whole figure for four seconds."""
    if chart.applies(frame):
        return None
    images, durations = film(frame, LIGHT)
    shared = palette(LIGHT)
    frames = [image.quantize(palette=shared, dither=Image.Dither.NONE) for image in images]
    moving = io.BytesIO()
    frames[0].save(moving, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0, optimize=True, disposal=1)
    atomic_write(path, moving.getvalue())
    return path.name


def palette(style: Style) -> Image.Image:
    """One palette for all frames: every family's colour on paper and on the bands, its way to the outline's ink, and greys for text."""
    paper, ink = (np.array(to_rgb(c)) for c in (style.paper, style.ink))
    grounds = [paper, *(paper + share * (np.array(to_rgb(style.curve)) - paper) for share in (0.09, 0.25))]
    colours = [paper + step * (ink - paper) for step in np.linspace(0, 1, 40)]
    for hue in map(np.array, map(to_rgb, OKABE_ITO.values())):
        for ground in grounds:
            fill = ground + 0.85 * (hue - ground)
            colours += [fill, *(fill + step * (ink - fill) for step in (0.3, 0.6)), *(fill + step * (ground - fill) for step in (0.4, 0.7))]
    values = (255 * np.clip(colours, 0, 1)).round().astype(np.uint8)
    image = Image.new("P", (1, 1))
    image.putpalette(values[:256].tobytes())
    return image


def film(frame: pd.DataFrame, style: Style) -> tuple[list[Image.Image], list[int]]:
    """Frames and their milliseconds: cheapest network first, then the curve from left to right, then its bands and the names."""
    rows = chart.rows_of(frame).sort_values("macs", ignore_index=True)
    curve = fit.fit(rows["macs"], rows["top1"])
    with style.context():
        stage = _stage(rows, style)
        axis, title = stage.axis, stage.axis._left_title  # type: ignore[attr-defined]
        images, durations = [stage.shot()], [600]
        for i, row in enumerate(rows.itertuples()):
            stage.points[i].set_visible(True)
            title.set_text(
                f"{base.short([str(row.label)])[0]}: {metrics.macs.format(row.macs)} GMACs, {row.top1:.1f} %, {metrics.params.format(row.params)} M parameters"
            )
            images.append(stage.shot())
            durations.append(NETWORK_MS)
        if curve:
            x = np.geomspace(*curve.x_range, 20 * CURVE_FRAMES)
            bands = curve.curve(x)
            limits = axis.get_xlim(), axis.get_ylim()
            (line,) = axis.plot([], [], color=style.curve, linewidth=1.4, zorder=2)
            title.set_text(curve.law.name + ": " + curve.equation)
            for step in range(1, CURVE_FRAMES + 1):
                line.set_data(x[: 20 * step], bands["y"][: 20 * step])
                images.append(stage.shot())
                durations.append(CURVE_MS)
            for low, high, alpha in (("lo", "hi", 0.18), ("plo", "phi", 0.09)):
                axis.fill_between(x, bands[low], bands[high], color=style.curve, alpha=alpha, linewidth=0, zorder=1)
                axis.set(xlim=limits[0], ylim=limits[1])
                images.append(stage.shot())
                durations.append(500)
            title.set_text(curve.summary)
            title.set_fontsize(7.5)
        _names.label(axis, rows, "macs", "top1", style, sizes=chart.bubble(rows["params"]))
        stage.canvas.draw()
        images.append(stage.picture())
    return images, [*durations, STILL_MS]


@dataclass(frozen=True)
class Stage:
    """The axes as they will end, drawn once without data; a frame draws what is visible over that."""

    canvas: FigureCanvasAgg
    axis: Axes
    points: list[Artist]  # by multiply-adds
    empty: Any  # the canvas without data

    def shot(self) -> Image.Image:
        """What is visible now: a tenth of the time that drawing the whole figure takes."""
        self.canvas.restore_region(self.empty)  # type: ignore[attr-defined]
        moving = [*self.axis.collections, *self.axis.lines]
        for artist in sorted((a for a in moving if a.get_visible()), key=lambda a: a.get_zorder()):
            self.axis.draw_artist(artist)
        self.axis.draw_artist(self.axis._left_title)  # type: ignore[attr-defined]
        return self.picture()

    def picture(self) -> Image.Image:
        """The canvas as an image."""
        return Image.frombuffer("RGBA", SIZE_PX, self.canvas.buffer_rgba()).convert("RGB")


def _stage(rows: pd.DataFrame, style: Style) -> Stage:
    """The figure with every network drawn by itself and hidden, laid out as it will end."""
    figure = Figure(figsize=(SIZE_PX[0] / DPI, SIZE_PX[1] / DPI), dpi=DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axis = figure.add_subplot()
    points: dict[int, Artist] = {}
    for i in rows.sort_values("params", ascending=False).index:  # large bubbles lie below small ones
        row = rows.loc[[i]]
        base.scatter(axis, row, "macs", "top1", style, chart.bubble(row["params"]))
        points[int(i)] = axis.collections[-1]
    axis.margins(0.1, 0.12)
    base.log_axis(axis, "x")
    base.family_legend(figure, rows, style)
    axis.set_title(" ", loc="left", fontsize=9)
    base.settle(figure)
    axis.set(xlim=axis.get_xlim(), ylim=axis.get_ylim())
    for point in points.values():
        point.set_visible(False)
    axis.set_title("", loc="left", fontsize=9)
    canvas.draw()
    return Stage(canvas, axis, [points[i] for i in sorted(points)], canvas.copy_from_bbox(figure.bbox))  # type: ignore[attr-defined]
