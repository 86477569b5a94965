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
from analysis.report.tables import slug

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
    modules = sorted(
        ((getattr(m, "ORDER", 100), name, m) for name in charts.names() for m in [charts.load(name)]), key=lambda entry: entry[:2]
    )
    for _, name, module in modules:
        for platform in sorted(frame["platform"].unique()) if getattr(module, "PER", None) == "platform" else [None]:
            stem = name if platform is None else f"{name}-{slug(platform)}"
            taken = {other for _, _, other in found}
            while stem in taken:
                stem += "+"
            found.append((name, platform, stem))
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
        FigureCanvasAgg(figure).print_png(path.with_name(path.name + ".png"), pil_kwargs={"compress_level": 4})
    if "svg" in FORMATS:
        drawn = io.StringIO()
        FigureCanvasSVG(figure).print_svg(drawn, metadata={"Date": None})
        path.with_name(path.name + ".svg").write_text(drawn.getvalue(), encoding="utf-8")
        if "pdf" in FORMATS:
            path.with_name(path.name + ".pdf").write_bytes(vl_convert.svg_to_pdf(drawn.getvalue()))
