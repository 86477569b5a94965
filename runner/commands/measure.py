"""Commands that measure: run, accuracy."""

import json
import os
from dataclasses import replace
from typing import List, Optional

import typer

from runner.errors import RecordError
from runner.program import exits
from runner.program.options import (
    CACHE,
    JSON,
    MATRIX,
    ONLY,
    PROFILE,
    RESULTS,
    RETRY,
    VERBOSE,
    check_measurable,
    check_retry,
    chosen,
    places_of,
    planned_cells,
)
from runner.program.terminal import fail, measuring, plain, seconds, warn

MOST_ROUNDS = 100


def run(
    matrix: str = MATRIX,
    profile: Optional[str] = PROFILE,
    only: List[str] = ONLY,
    results: str = RESULTS,
    cache: Optional[str] = CACHE,
    retry: List[str] = RETRY,
    sustained: float = typer.Option(
        0.0,
        "--sustained",
        min=0.0,
        max=1440.0,
        metavar="MINUTES",
        help="Run each cell for this long without a pause, to see what heat costs.",
    ),
    again: bool = typer.Option(False, "--again", help="Measure again what is done."),
    time_budget: Optional[str] = typer.Option(
        None, "--time-budget", metavar="TIME", help="Begin no cell that would end after this: 90s, 10m, 2h."
    ),
    round_: Optional[int] = typer.Option(
        None,
        "--round",
        min=1,
        max=MOST_ROUNDS,
        metavar="N",
        help="Measure only the N-th replicate of each cell; `dyno compare --run` alternates such rounds.",
    ),
    strict: bool = typer.Option(False, "--strict", help="Exit code 1 if any cell failed."),
    verbose: bool = VERBOSE,
) -> None:
    """Measure what is missing. Ctrl-C keeps what is done, and the next run continues.

    Exit codes: 0 fine; 1 no cell could be measured, or with --strict any failed; 2 usage or nothing to measure; 130 interrupted.
    """
    from runner.machine import environment
    from runner.measure.run import Run
    from runner.program import log
    from runner.program import results as shown
    from runner.program.progress import Display

    budget_s = seconds(time_budget) if time_budget else None
    check_retry(retry)
    loaded, planned = planned_cells(matrix, profile, only)
    if round_:
        if sustained or again:
            fail("--round measures one replicate; it goes with neither --sustained nor --again", exits.USAGE)
        loaded = replace(loaded, protocol=replace(loaded.protocol, replicates=round_, max_replicates=round_, anchor_from=0))
    check_measurable(planned, matrix, only, results)
    places = places_of(results, cache)
    platform = environment.platform_name()
    path = places.record_path(platform, environment.host())
    with measuring(places.results, "what is done is kept, `dyno run` goes on with the rest", RecordError):
        os.makedirs(places.cache, exist_ok=True)
        log_path = log.start(path, verbose)
        with Display() as display:
            current = Run(loaded, places, platform, report=display)
            left = current.execute(planned.cells, retry, budget_s, 60.0 * sustained, again, round_ or 0)
    for note in current.notes:
        typer.echo(plain(note))
    warn(current.warnings)
    lines = display.lines
    rest = "; %d left for the next run (time budget)" % left if left else ""
    if lines:
        typer.echo("\n%s\n\n%s" % (shown.measured(lines), shown.cleanliness(lines)))
    counts = ", ".join("%d %s" % (count, status) for status, count in current.counts.items() if count)
    typer.echo("%s: %s%s" % (path, counts or "nothing is missing", rest))
    typer.echo("log: %s" % log_path)
    if not round_:  # what began the round goes on
        typer.echo("next: %s" % shown.next_command(lines, left, chosen(matrix, profile, only, results)))
    statuses = [line.status for line in lines]
    if statuses and ("ok" not in statuses or (strict and "failed" in statuses)):
        raise typer.Exit(exits.BAD)


def accuracy(
    data: Optional[str] = typer.Argument(
        None, metavar="DATA", help="Folder with a folder per class, or CIFAR's. [default: the matrix's accuracy.data]"
    ),
    matrix: str = MATRIX,
    profile: Optional[str] = PROFILE,
    only: List[str] = ONLY,
    results: str = RESULTS,
    cache: Optional[str] = CACHE,
    retry: List[str] = RETRY,
    format: Optional[str] = typer.Option(None, "--format", metavar="FORMAT", help="auto, folder, cifar10 or cifar100."),
    limit: Optional[int] = typer.Option(
        None, "--limit", min=1, metavar="N", help="Count only this many images, a fair sample; a later run can add more."
    ),
    as_json: bool = JSON,
    verbose: bool = VERBOSE,
) -> None:
    """Count Top-1 and Top-5 on labelled images, in the backend and precision that is timed. The next run continues."""
    from runner.machine import environment
    from runner.measure import accuracy as counting
    from runner.networks import datasets
    from runner.program import log
    from runner.program.progress import CountingDisplay
    from runner.records import accuracy_totals

    loaded, planned = planned_cells(matrix, profile, only)
    settings = dict(loaded.accuracy, **{key: value for key, value in (("data", data), ("format", format), ("limit", limit)) if value})
    check_retry(retry)
    if settings.get("format", "auto") not in datasets.FORMATS:
        fail("--format %s: choose from %s" % (format, ", ".join(datasets.FORMATS)), exits.USAGE)
    if not settings.get("data"):
        fail("no labelled images: give their folder, as in `dyno accuracy DATA`, or as accuracy.data in %s" % matrix, exits.USAGE)
    check_measurable(planned, matrix, only, results)
    places = places_of(results, cache)
    platform = environment.platform_name()
    stopped = "what is counted is kept, `dyno accuracy` goes on with the rest"
    with measuring(places.results, stopped, RecordError):
        found = datasets.open_data(settings["data"], settings.get("format", "auto"), settings.get("classes"))
        cells, reasons = counting.fitting(counting.representatives(planned.cells, settings.get("batch_size")), loaded.models, found)
        if not cells:
            others = " (and %d more)" % (len(reasons) - 1) if len(reasons) > 1 else ""
            fail("no network of %s fits the data%s" % (matrix, ": %s%s" % (reasons[0], others) if reasons else ""), exits.USAGE)
        for reason in reasons:
            typer.echo("dyno: left out: %s" % reason, err=True)
        os.makedirs(places.cache, exist_ok=True)
        log.start(places.record_path(platform, environment.host()), verbose)
        current = counting.Evaluation(loaded, places, platform, found, settings, CountingDisplay(to_stderr=as_json))
        counted = current.execute(cells, retry)
    warn(current.warnings)
    against = accuracy_totals.against_fp32(counted)
    if as_json:
        rows = [accuracy_totals.summary(cell, totals, against.get(cell)) for cell, totals in sorted(counted, key=lambda pair: pair[0])]
        typer.echo(json.dumps(rows, indent=1))
        return
    for cell, (base, pair) in sorted(against.items()):
        typer.echo(plain(accuracy_totals.comparison(cell, base, pair)))
