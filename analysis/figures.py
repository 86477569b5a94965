"""Figures to files: every chart that applies, per platform where it asks for that, as PNG, SVG and PDF."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
import multiprocessing
import os
from pathlib import Path
import time
import traceback

import pandas as pd

from analysis import charts
from analysis.style import LIGHT
from analysis.tables import slug

FORMATS = ("png", "svg", "pdf")
_frame = pd.DataFrame()  # given to worker processes by fork, which costs nothing; never changed


@dataclass(frozen=True)
class Drawn:
    """One chart for one platform (None: all): where its files lie, what it says, or why it is not there."""

    chart: str
    platform: str | None
    stem: str | None = None
    sentence: str = ""
    missing: str | None = None
    seconds: float = 0.0


def part(frame: pd.DataFrame, platform: str | None) -> pd.DataFrame:
    """The rows of one platform, or all."""
    return frame if platform is None else frame[frame["platform"] == platform]


def jobs(frame: pd.DataFrame) -> list[tuple[str, str | None, str]]:
    """(chart, platform, stem of its files), in the page's order; stems are unique even where platforms' names are alike."""
    found: list[tuple[str, str | None, str]] = []
    modules = sorted(((getattr(m, "ORDER", 100), name, m) for name in charts.names() for m in [charts.load(name)]), key=lambda entry: entry[:2])
    for _, name, module in modules:
        for platform in sorted(frame["platform"].unique()) if getattr(module, "PER", None) == "platform" else [None]:
            stem = name if platform is None else f"{name}-{slug(platform)}"
            taken = {other for _, _, other in found}
            while stem in taken:
                stem += "+"
            found.append((name, platform, stem))
    return found


def draw(name: str, platform: str | None, stem: str, folder: Path, frame: pd.DataFrame | None = None) -> Drawn:
    """Draw one chart and write its files; a chart that fails says so in the report instead of taking it down."""
    begin = time.perf_counter()
    module, rows = charts.load(name), part(_frame if frame is None else frame, platform)
    try:
        reason = module.applies(rows)
        if reason:
            return Drawn(name, platform, missing=reason)
        with LIGHT.context():
            figure = module.draw(rows, LIGHT)
            for suffix in FORMATS:
                stamp = {"CreationDate": None} if suffix == "pdf" else {"Date": None} if suffix == "svg" else {}
                figure.savefig(folder / f"{stem}.{suffix}", metadata=stamp)
        return Drawn(name, platform, stem, module.explain(rows), seconds=time.perf_counter() - begin)
    except Exception as error:  # a chart is a plug-in: one that breaks must not cost the others
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Drawn(name, platform, missing=f"could not be drawn: {type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})")


def draw_all(frame: pd.DataFrame, folder: Path) -> list[Drawn]:
    """All charts of a frame, on as many processes as this one may use."""
    global _frame
    folder.mkdir(parents=True, exist_ok=True)
    _frame = frame
    todo = jobs(frame)
    workers = min(len(todo), len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    if workers < 2 or "fork" not in multiprocessing.get_all_start_methods():
        return [draw(*job, folder) for job in todo]
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("fork")) as pool:
        return list(pool.map(draw, *zip(*todo, strict=True), [folder] * len(todo)))
