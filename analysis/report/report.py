"""The report: one page that opens with no network, figures as PNG, SVG and PDF, tables as CSV."""

import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import analyses, charts, registry
from analysis.errors import CantWrite
from analysis.frame import metrics, noise, words
from analysis.frame.cached import keeping
from analysis.frame.columns import PRICES
from analysis.frame.frame import Merged, latest_cells
from analysis.predict import offers
from analysis.report import animation, figures, insight, live, page, parallel, pictured, predicted, profiled, screen, tables
from analysis.report import paper as papers
from analysis.report import searched as searching
from analysis.report.entries import entries
from analysis.report.sections import Analysed
from analysis.stats import cost
from runner.files import atomic_write

FIRST = ("coverage", "environments", "inference_time", "speedup", "pareto")  # the rest follow by name
ANOTHER_ANSWER = "recommendation"  # `dyno recommend` makes it; the page has one answer, its first screen
FEW_NETWORKS = 20  # up to which figures are written as files without being asked for: it takes some seconds
MOST_NETWORKS = 300  # beyond these a film is too long
# Nested, or what intervals are made of: they stay in the records. Prices are in the table of costs.
FRAME_COLUMNS = ["op_features", "executed", "rounds", "replicate_rounds", *PRICES, *noise.COLUMNS]


@dataclass(frozen=True)
class Written:
    """Where the page is, what to warn of, CPU seconds of each part (and the wall seconds of all)."""

    page: Path
    summary: str
    verdicts: list[str]
    warnings: list[str]
    seconds: dict[str, float]


def analyse(name: str, frame: pd.DataFrame) -> Analysed:
    """Run one analysis; one that fails says so in the report instead of taking it down."""
    title = name.replace("_", " ")
    try:
        module = registry.load(analyses, name)
        title = getattr(module, "TITLE", title)
        reason = module.applies(frame) if hasattr(module, "applies") else None
        if reason:
            return Analysed(name, title, missing=reason)
        result = module.analyse(frame)
        found = {name.replace("_", " "): result} if isinstance(result, pd.DataFrame) else dict(result)
        sentence = module.explain(frame) if hasattr(module, "explain") else ""
        found = {key: table for key, table in found.items() if isinstance(table, pd.DataFrame)}
        return Analysed(name, title, found, words.with_names_spelt(sentence), drawing=pictured.drawing_of(name, frame))
    except Exception as error:  # an analysis is a plug-in: one that breaks must not cost the others
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Analysed(
            name, title, missing=f"could not be done: {type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        )


def by_machine(frame: pd.DataFrame, license: str | None = None) -> pd.DataFrame:
    """The frame with hosts that share a platform told apart under `platform`, so that nothing averages over unlike machines, and plain names of networks.

    Each time has the Top-1 of the best weights that it serves and that `license` (commercial, or none) allows, as `dyno recommend` offers them.
    """
    return offers.best_weights(frame.assign(platform=frame["machine"], label=words.bare(frame["label"])), license)


@keeping()
def write(
    merged: Merged,
    out: Path,
    files: bool | None = None,
    gif: bool | None = None,
    prices: Mapping[str, Mapping[str, float]] | None = None,
    methods: bool = False,
    paper: bool = False,
    stamp: str = "",
    searched: pd.DataFrame | None = None,
    license: str | None = None,
) -> Written:
    """Write the whole report into a folder; raises FrameError where that can't be written. prices: as analysis.stats.cost.priced takes them.

    files: whether figures are also written as SVG, PDF and PNG, and gif: figure 1 as a film; by default where there are at most FEW_NETWORKS networks.
    methods: also the statistics of Methods and tests, and their figures. paper: also what papers need, in OUT/paper.
    stamp: the page reloads once the stamp beside it is another (analysis.report.watch). searched: what `dyno search` did (analysis.predict.path.table).
    license: commercial leaves out weights whose licence forbids it.
    """
    begin = time.perf_counter()
    frame = by_machine(cost.priced(merged.frame, prices or {}), license)
    frame = noise.add_noise(frame, {floor.host: floor.between for floor in merged.floors})
    merged = replace(merged, frame=frame)
    try:
        many = frame["model"].nunique()
        files = many <= FEW_NETWORKS if files is None else files
        gif = many <= MOST_NETWORKS and (files if gif is None else gif)
        pictures = out / "figures" if files else None
        for folder in ("tables", *(["figures"] if files or gif else [])):
            (out / folder).mkdir(parents=True, exist_ok=True)
        left_out = () if methods else page.METHODS
        todo = [job for job in figures.jobs(frame) if job[0] not in left_out]
        names = [*FIRST, *(n for n in analyses.names() if n not in (*FIRST, *left_out, ANOTHER_ANSWER))]
        # What takes longest alone comes first, so that no process waits for it at the end.
        work: dict[str, tuple[Callable, tuple]] = {
            "predictions": (predicted.every, (license,)),
            "library": (library, ()),
            "plausibility": (findings, ()),
        }
        work |= {"animation": (animation.write, (out / "figures" / "complexity_accuracy.gif",))} if gif else {}
        work |= {"cells": (cells_csv, (out / "tables" / "cells.csv",))}
        work |= {f"analysis {name}": (analyse, (name,)) for name in names}
        # Platform by platform: a process then holds the rows of one at a time.
        work |= {f"figure {job[2]}": (figures.draw, (*job, pictures)) for job in sorted(todo, key=lambda job: job[1] or "")}
        work |= {f"chart {name}": (live.interactive, (name,)) for name in charts.names()}
        entries(frame)  # what most parts ask for is derived before they are shared out, and so once
        latest_cells(frame)
        results = dict(zip(work, parallel.run([(timed, job) for job in work.values()], frame), strict=True))
        done = [results[f"analysis {name}"][0] for name in names]
        drawn = [results[f"figure {job[2]}"][0] for job in todo]
        searched = pd.DataFrame() if searched is None else searched
        _tables(merged, done, searched, out / "tables")
        if isinstance(results["plausibility"][0], pd.DataFrame):
            tables.write_csv(results["plausibility"][0], out / "tables" / "plausibility.csv")
        parts = page.Parts(
            drawn,
            done,
            [results[f"chart {name}"][0] for name in charts.names()],
            results["plausibility"][0],
            results["library"][0],
            results["animation"][0] if gif else None,
            bool(left_out),
            results["predictions"][0],
            searched,
            stamp,
        )
        boards = next((item.tables.get("boards") for item in done if item.name == "boards"), None)
        devices = screen.devices(merged, results["predictions"][0], boards)
        verdicts = [f"{device.name}: {device.verdict.title}" for device in devices]
        text = page.render(merged, parts, devices)
        atomic_write(out / "index.html", text)
        if paper:
            papers.write(merged, out / "paper")
    except OSError as error:
        raise CantWrite(f"{error.filename or out}: can't write the report: {error.strerror}") from None
    seconds = {label: spent for label, (_, spent) in results.items()} | {"all, wall": time.perf_counter() - begin}
    said = [f"{name}: {insight.aside(count, what)}" for (name, what), count in sorted(merged.problems.items())]
    said += [f"{d.chart}: {d.missing}" for d in drawn if d.missing and d.missing.startswith("could not")]
    said += [f"{d.name}: {d.missing}" for d in done if d.missing and d.missing.startswith("could not")]
    count = sum(not d.missing for d in drawn)
    said_of = ((len(frame), "record"), (frame["platform"].nunique(), "device"), (len(merged.files), "file"), (count, "figure"))
    summary = ", ".join(f"{number:,} {name}{'' if number == 1 else 's'}" for number, name in said_of) + f", {len(text) / 1e6:.2f} MB"
    return Written(out / "index.html", summary, verdicts, said, seconds)


def findings(frame: pd.DataFrame) -> pd.DataFrame | str:
    """The plausibility checks' findings, or why they could not be had."""
    try:
        return insight.findings(frame)
    except Exception as error:  # what the checks can't judge is said, not fatal
        return f"The plausibility checks could not be done: {type(error).__name__}: {error}"


def library(_: pd.DataFrame) -> str:
    """The charts' library, packed."""
    return live.vega()


def timed(function: Callable, arguments: tuple, frame: pd.DataFrame) -> tuple[Any, float]:
    """(result, CPU seconds) of function(*arguments, frame)."""
    begin = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a degenerate group's 0/0 is NaN in its table, where a reader sees it
        result = function(*arguments, frame)
    return result, time.process_time() - begin


def cells_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write the whole frame with its metrics, which takes a while where there are many records."""
    tables.write_csv(metrics.table(frame), path, without=FRAME_COLUMNS)


def _tables(merged: Merged, done: list[Analysed], searched: pd.DataFrame, folder: Path) -> None:
    frame = merged.frame
    for item in done:
        for name, table in item.tables.items():
            tables.write_csv(table, folder / f"{tables.csv_name(item.name, name)}.csv")
    tables.write_csv(screen.choices(frame), folder / "choices.csv")
    tables.write_csv(insight.changes(frame, merged.floors), folder / "changes.csv")
    for name, table in (("profile", profiled.table(merged.profiles, frame)), ("search", searching.table(searched))):
        if len(table):
            tables.write_csv(table, folder / f"{name}.csv")
