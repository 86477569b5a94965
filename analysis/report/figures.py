"""Figures to files: every chart that applies, per platform where it asks for that, as PNG, SVG and PDF."""

import io
import traceback
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import vl_convert
from matplotlib import rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from analysis import charts
from analysis.charts import base
from analysis.charts._style import LIGHT
from analysis.frame.cached import once
from runner import files

FORMATS = ("png", "svg", "pdf")
MOST_PICTURE = 250_000  # bytes of an SVG that the page may hold, before compression


@dataclass(frozen=True)
class Drawn:
    """One chart for one platform (None: all): where its files lie, what it says, or why it is not there."""

    chart: str
    platform: str | None
    stem: str | None = None
    sentence: str = ""
    missing: str | None = None
    picture: str = ""  # the SVG of a chart that has no interactive form, for the page


@once
def part(frame: pd.DataFrame, platform: str | None) -> pd.DataFrame:
    """The rows of one platform, or all."""
    return frame if platform is None else frame[frame["platform"] == platform]


def jobs(frame: pd.DataFrame) -> list[tuple[str, str | None, str]]:
    """(chart, platform, stem of its files), in the page's order; stems are unique even where platforms' names are alike."""
    found: list[tuple[str, str | None, str]] = []
    platforms = sorted(frame["platform"].unique())
    modules = sorted(
        ((getattr(m, "ORDER", 100), name, m) for name in charts.names() for m in [charts.load(name)]), key=lambda entry: entry[:2]
    )
    for _, name, module in modules:
        if getattr(module, "PER", None) == "platform":
            found += [(name, platform, f"{name}-{files.file_name(platform, platforms)}") for platform in platforms]
        else:
            found.append((name, None, name))
    return found


def draw(name: str, platform: str | None, stem: str, folder: Path, frame: pd.DataFrame) -> Drawn:
    """Draw one chart and write its files; a chart that fails says so in the report instead of taking it down."""
    module, rows = charts.load(name), part(frame, platform)
    try:
        reason = module.applies(rows)
        if reason:
            return Drawn(name, platform, missing=reason)
        with LIGHT.context():
            figure = module.draw(rows, LIGHT)
            base.settle(figure)
            save(figure, folder / stem)
            drawn = folder / f"{stem}.svg"
            still = not hasattr(module, "interactive") and drawn.exists() and drawn.stat().st_size < MOST_PICTURE
            picture = drawn.read_text(encoding="utf-8") if still else ""
            large = (
                ""
                if picture or hasattr(module, "interactive") or not drawn.exists()
                else " The figure is too large for this page; its files hold it."
            )
        return Drawn(name, platform, stem, module.explain(rows) + large, picture=picture)
    except Exception as error:  # a chart is a plug-in: one that breaks must not cost the others
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Drawn(
            name, platform, missing=f"could not be drawn: {type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        )


def save(figure: Figure, path: Path) -> None:
    """Write a figure whose layout is settled in every format, without dates; the PDF is made from the SVG, ten times as fast as drawing it again.

    Straight to the canvas: `savefig` would draw everything once more beforehand, to lay out what is laid out.
    """
    figure.set_dpi(rcParams["savefig.dpi"])
    if "png" in FORMATS:
        picture = io.BytesIO()
        FigureCanvasAgg(figure).print_png(picture, pil_kwargs={"compress_level": 4})
        _put(path, ".png", picture.getvalue())
    if "svg" in FORMATS:
        drawn = io.StringIO()
        FigureCanvasSVG(figure).print_svg(drawn, metadata={"Date": None})
        _put(path, ".svg", drawn.getvalue().encode())
        if "pdf" in FORMATS:
            _put(path, ".pdf", vl_convert.svg_to_pdf(drawn.getvalue()))


def _put(path: Path, suffix: str, content: bytes) -> None:
    """Write a file whole or not at all; not flushed, since a figure can be drawn again."""
    with files.whole(path.with_name(path.name + suffix)) as part:
        Path(part).write_bytes(content)
