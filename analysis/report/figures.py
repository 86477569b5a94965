"""Figures: every chart that applies, per platform where it asks for that; as pictures in the page where it has no other form there, and as files when asked for."""

import io
import traceback
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib import rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from analysis import charts
from analysis.charts import base
from analysis.charts._style import LIGHT
from analysis.frame import words
from analysis.frame.cached import computed_last
from runner.files import atomic_write, file_name

FORMATS = ("svg", "pdf", "png")
TABLED = ("time_table",)  # the page has these as coloured tables
MOST_PICTURE = 250_000  # bytes of an SVG that the page may hold, before compression


@dataclass(frozen=True)
class Drawn:
    """One chart for one platform (None: all): what it says, or why it is not there."""

    chart: str
    platform: str | None
    stem: str = ""
    sentence: str = ""
    missing: str | None = None
    picture: str = ""  # SVG of a chart that has no other form in the page
    files: bool = False  # whether figures/STEM.* were written


@computed_last
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
            found += [(name, platform, f"{name}-{file_name(platform, platforms)}") for platform in platforms]
        else:
            found.append((name, None, name))
    return found


def draw(name: str, platform: str | None, stem: str, folder: Path | None, frame: pd.DataFrame) -> Drawn:
    """One chart as the page has it, and into a folder where one is given; a chart that fails says so in the report instead of taking it down."""
    module, rows = charts.load(name), part(frame, platform)
    try:
        reason = module.applies(rows)
        if reason:
            return Drawn(name, platform, missing=reason)
        pictured = not hasattr(module, "interactive") and name not in TABLED
        picture = ""
        if pictured or folder:
            with LIGHT.context():
                figure = module.draw(rows, LIGHT)
                base.settle(figure)
                picture = vector(figure)
                if folder:
                    save(figure, picture, folder / stem)
        large = pictured and len(picture.encode()) > MOST_PICTURE
        said = words.with_names_spelt(module.explain(rows)) + (
            f" The figure is too large for this page{'; its files hold it' if folder else ''}." if large else ""
        )
        return Drawn(name, platform, stem, said, picture=picture if pictured and not large else "", files=folder is not None)
    except Exception as error:  # a chart is a plug-in: one that breaks must not cost the others
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Drawn(
            name, platform, missing=f"could not be drawn: {type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        )


def vector(figure: Figure) -> str:
    """A figure whose layout is settled as SVG, without a date.

    Straight from the canvas: `savefig` would draw everything once more beforehand, to lay out what is laid out.
    """
    figure.set_dpi(rcParams["savefig.dpi"])
    drawn = io.StringIO()
    FigureCanvasSVG(figure).print_svg(drawn, metadata={"Date": None})
    return drawn.getvalue()


def save(figure: Figure, svg: str, path: Path) -> None:
    """Write a figure and its SVG in every format; the PDF is made from the SVG, ten times as fast as drawing it again."""
    import vl_convert

    for suffix in FORMATS:
        content: str | bytes = svg
        if suffix == "png":
            pixels = io.BytesIO()
            FigureCanvasAgg(figure).print_png(pixels, pil_kwargs={"compress_level": 4})
            content = pixels.getvalue()
        elif suffix == "pdf":
            content = vl_convert.svg_to_pdf(svg)
        atomic_write(path.with_name(f"{path.name}.{suffix}"), content)
