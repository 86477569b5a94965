"""Commands that measure: run, accuracy, calibrate."""

import json
import os
import sys
from typing import List, Optional

import typer

from runner.errors import DataError, RecordError
from runner.program.options import (
    CACHE,
    JSON,
    MATRIX,
    ONLY,
    PROFILE,
    RESULTS,
    RETRY,
    check_measurable,
    check_retry,
    places_of,
    planned_cells,
)
from runner.program.terminal import fail, measuring, plain, seconds, show_counting, show_progress


def run(
    matrix: str = MATRIX,
    profile: Optional[str] = PROFILE,
    only: List[str] = ONLY,
    results: str = RESULTS,
    cache: Optional[str] = CACHE,
    retry: List[str] = RETRY,
    sustained: float = typer.Option(
        0.0, "--sustained", min=0.0, max=1440.0, metavar="MINUTES", help="Run each cell on end: what heat costs."
    ),
    again: bool = typer.Option(False, "--again", help="Measure again what is done."),
    time_budget: Optional[str] = typer.Option(None, "--time-budget", help="Begin no cell that would end after this: 90s, 10m, 2h."),
):
    """Measure what is missing; Ctrl-C keeps what is done, and running again goes on."""
    from runner.machine import environment
    from runner.measure.run import Run

    budget_s = seconds(time_budget) if time_budget else None
    check_retry(retry)
    loaded, planned = planned_cells(matrix, profile, only)
    check_measurable(planned, matrix, only)
    places = places_of(results, cache)
    current = Run(loaded, places, environment.platform_name(), report=show_progress if sys.stderr.isatty() else None)
    with measuring(places.results, "what is done is kept, `dyno run` goes on with the rest", RecordError):
        os.makedirs(places.cache, exist_ok=True)
        left = current.execute(planned.cells, retry, budget_s, 60.0 * sustained, again)
    for note in current.notes:
        typer.echo(plain(note))
    for warning in current.warnings:
        typer.echo("dyno: warning: %s" % plain(warning), err=True)
    counts = ", ".join("%d %s" % (count, status) for status, count in current.counts.items() if count)
    path = places.record_path(environment.platform_name(), environment.host())
    rest = "; %d left for the next run (time budget)" % left if left else ""
    typer.echo("%s: %s%s" % (path, counts or "nothing is missing", rest))


def accuracy(
    data: Optional[str] = typer.Argument(None, help="Folder of class folders, or CIFAR's. [default: the matrix's accuracy.data]"),
    matrix: str = MATRIX,
    profile: Optional[str] = PROFILE,
    only: List[str] = ONLY,
    results: str = RESULTS,
    cache: Optional[str] = CACHE,
    retry: List[str] = RETRY,
    format: Optional[str] = typer.Option(None, "--format", help="auto, folder, cifar10 or cifar100."),
    limit: Optional[int] = typer.Option(None, "--limit", min=1, help="Count this many images, a fair sample; more can be added later."),
    as_json: bool = JSON,
):
    """Count Top-1 and Top-5 on labelled images, in the backend and precision that is timed; running again goes on."""
    from runner.machine import environment
    from runner.measure import accuracy as counting
    from runner.networks import datasets
    from runner.records import accuracy_totals

    loaded, planned = planned_cells(matrix, profile, only)
    settings = dict(loaded.accuracy, **{key: value for key, value in (("data", data), ("format", format), ("limit", limit)) if value})
    check_retry(retry)
    if settings.get("format", "auto") not in datasets.FORMATS:
        fail("--format %s: choose from %s" % (format, ", ".join(datasets.FORMATS)), 2)
    if not settings.get("data"):
        fail("no labelled images: give their folder, as in `dyno accuracy DATA`, or as accuracy.data in %s" % matrix, 2)
    check_measurable(planned, matrix, only)
    places = places_of(results, cache)
    stopped = "what is counted is kept, `dyno accuracy` goes on with the rest"
    with measuring(places.results, stopped, DataError, RecordError):
        found = datasets.open_data(settings["data"], settings.get("format", "auto"), settings.get("classes"))
        cells, reasons = counting.fitting(counting.representatives(planned.cells, settings.get("batch_size")), loaded.models, found)
        for reason in reasons:
            typer.echo("dyno: left out: %s" % reason, err=True)
        if not cells:
            fail("no network of %s fits the data" % matrix)
        os.makedirs(places.cache, exist_ok=True)
        current = counting.Evaluation(
            loaded, places, environment.platform_name(), found, settings, show_counting if sys.stderr.isatty() else None
        )
        counted = current.execute(cells, retry)
    for warning in current.warnings:
        typer.echo("dyno: warning: %s" % plain(warning), err=True)
    rows = [accuracy_totals.summary(cell, totals) for cell, totals in sorted(counted)]
    typer.echo(json.dumps(rows, indent=1) if as_json else "\n".join(accuracy_totals.sentence(row) for row in rows))


def calibrate(
    matrix: str = MATRIX,
    profile: Optional[str] = typer.Option("quick", "--profile", "-p", help="Profile whose first cells are measured again and again."),
    only: List[str] = ONLY,
    results: str = RESULTS,
    cache: Optional[str] = CACHE,
    cells: int = typer.Option(6, "--cells", min=1, help="How many cells."),
    sweeps: int = typer.Option(3, "--sweeps", min=2, max=9, help="How many times; more tell what all cells drift by together."),
):
    """Measure this host's noise floor: the same small sweep again and again, compared with itself."""
    import subprocess
    import time
    from importlib.util import find_spec

    from runner.machine import environment
    from runner.measure.run import Run
    from runner.records.places import Places

    loaded, planned = planned_cells(matrix, profile, only)
    check_measurable(planned, matrix, only)
    folder = os.path.join(results, "calibration", time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
    shared = places_of(results, cache).cache
    sides = [os.path.join(folder, side) for side in "abcdefghi"[:sweeps]]
    with measuring(folder, "a noise floor needs all sweeps", RecordError):
        os.makedirs(shared, exist_ok=True)
        for side in sides:
            report = show_progress if sys.stderr.isatty() else None
            Run(loaded, Places(side, shared), environment.platform_name(), report=report).execute(planned.cells[:cells])
    paths = [os.path.join(side, "records") for side in sides]
    if find_spec("pandas") is None or find_spec("analysis") is None:
        typer.echo(
            "measured; on the host: python -m analysis calibrate %s --out %s" % (" ".join(paths), os.path.join(results, "noise.json"))
        )
        return
    command = [sys.executable, "-m", "analysis", "calibrate"] + paths + ["--out", os.path.join(results, "noise.json")]
    raise typer.Exit(subprocess.call(command))
