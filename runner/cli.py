"""The command line, the same in every image: `dyno`, or `python -m runner`. Importing it imports no framework."""

import json
import os
import signal
import sys
from typing import List, Optional

import typer

from runner import __version__

app = typer.Typer(
    help="Measure how fast, how accurate and how hungry networks are on this machine; records go to a folder.",
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

MATRIX = typer.Option("matrix.yaml", "--matrix", "-m", envvar="DYNO_MATRIX", help="What to measure.")
PROFILE = typer.Option(None, "--profile", "-p", help="Profile of the matrix: quick, zoo, full, or your own.")
ONLY = typer.Option([], "--only", help="Only cells that match, as in --only model=resnet18,alexnet; may be repeated.")
RESULTS = typer.Option("results", "--results", "-r", envvar="DYNO_RESULTS", help="Folder of the results; records go below it.")
CACHE = typer.Option(None, "--cache", envvar="DYNO_CACHE", help="Folder of networks and engines made once. [default: RESULTS/cache]")
JSON = typer.Option(False, "--json", help="Print JSON.")
RETRY = typer.Option([], "--retry", help="Measure again what is: failed, skipped or contended; may be repeated.")


def fail(message, code=1):
    typer.echo("dyno: %s" % plain(message), err=True)
    raise typer.Exit(code)


def plain(text):
    """A text from a file on one line of a terminal: nothing in it can move the cursor, change colours or fail to be printed."""
    return "".join(char if char.isprintable() else "?" for char in str(text))


def _planned(path, profile, only):
    from runner import environment, matrix, models, plan

    try:
        loaded = matrix.load(path, profile)
        return loaded, plan.plan(loaded, environment.platform_name(), environment.declared_devices() or ("cpu",), plan.parse_only(only))
    except (matrix.MatrixError, models.ModelUnavailable) as error:
        fail(error, 2)


def _check_retry(retry):
    for state in retry:
        if state not in ("failed", "skipped", "contended"):
            fail("--retry %s: choose from failed, skipped, contended" % state, 2)


def _places(results, cache):
    from runner.run import Places

    return Places(results, cache or os.path.join(results, "cache"))


@app.command()
def plan(
    matrix: str = MATRIX,
    profile: Optional[str] = PROFILE,
    only: List[str] = ONLY,
    results: str = RESULTS,
    cache: Optional[str] = CACHE,
    calibration: Optional[int] = typer.Option(None, "--calibration", min=1, help="Pick the K networks that tell most about the others."),
    as_json: bool = JSON,
):
    """Show the cells of this platform in their order, what is left out and why, and how long it will take."""
    from runner import environment, run

    loaded, planned = _planned(matrix, profile, only)
    if calibration:
        return _calibration(loaded, planned, _places(results, cache), calibration, as_json)
    _, last, _ = run.history(_places(results, None).record_path(environment.platform_name()))
    left = set(run.missing(planned.cells, last))
    estimates = {cell: run.estimate_s(cell, loaded.protocol, last) for cell in planned.cells}
    total_s = sum(estimates[cell] for cell in left)
    if as_json:
        cells = [dict(cell.as_dict(), id=cell.id, missing=cell in left, estimate_s=round(estimates[cell], 1)) for cell in planned.cells]
        excluded = [dict(cell.as_dict(), id=cell.id, reason=reason) for cell, reason in planned.excluded]
        typer.echo(json.dumps({"cells": cells, "excluded": excluded, "estimate_s": round(total_s, 1)}, indent=1))
        return
    for cell in planned.cells:
        typer.echo("%s  %s" % (cell.id, "about %s" % _duration(estimates[cell]) if cell in left else "done"))
    reasons = {}
    for _, reason in planned.excluded:
        reasons[reason] = reasons.get(reason, 0) + 1
    for reason, count in sorted(reasons.items()):
        typer.echo(plain("left out: %d cell%s: %s" % (count, "" if count == 1 else "s", reason)))
    typer.echo("%d cells, %d to measure, about %s" % (len(planned.cells), len(left), _duration(total_s)))


def _calibration(loaded, planned, places, count, as_json):
    """Measure these first on a new platform; the rest can be predicted (`python -m analysis predict`)."""
    from runner import export_cache

    names, reasons = export_cache.calibration_models(loaded, planned, places, count)
    for reason in reasons:
        typer.echo("dyno: %s" % reason, err=True)
    if not names:
        fail("no network's graph is known; `dyno export` makes them where PyTorch is")
    typer.echo(json.dumps(names) if as_json else "dyno run --only model=%s" % ",".join(names))


@app.command()
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
    time_budget: Optional[str] = typer.Option(None, "--time-budget", help="Begin no cell that would end after this: 90s, 10m, 2h."),
):
    """Measure what is missing; Ctrl-C keeps what is done, and running again goes on."""
    from runner import doctor, environment, record
    from runner.run import Run

    budget_s = _seconds(time_budget) if time_budget else None
    _check_retry(retry)
    loaded, planned = _planned(matrix, profile, only)
    if not planned.cells:
        fail("nothing to measure: no cell of %s fits platform %s%s" % (matrix, environment.platform_name(), " and --only" if only else ""))
    error = doctor.identity_error()
    if error:
        fail(error)
    places = _places(results, cache)
    signal.signal(signal.SIGTERM, _interrupt)  # docker stop
    current = Run(loaded, places, environment.platform_name(), report=_show_progress if sys.stderr.isatty() else None)
    try:
        os.makedirs(places.cache, exist_ok=True)
        left = current.execute(planned.cells, retry, budget_s, 60.0 * sustained)
    except record.RecordError as error:
        fail(error)
    except OSError as error:
        fail("%s: %s" % (error.filename or places.results, error.strerror or error))
    except KeyboardInterrupt:
        _clear_line()
        fail("stopped; what is done is kept, `dyno run` goes on with the rest", 130)
    _clear_line()
    for warning in current.warnings:
        typer.echo("dyno: warning: %s" % plain(warning), err=True)
    counts = ", ".join("%d %s" % (count, status) for status, count in current.counts.items() if count)
    path = places.record_path(environment.platform_name())
    rest = "; %d left for the next run (time budget)" % left if left else ""
    typer.echo("%s: %s%s" % (path, counts or "nothing is missing", rest))


@app.command()
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
    from runner import accuracy as counting
    from runner import datasets, doctor, environment, record, tally

    loaded, planned = _planned(matrix, profile, only)
    settings = dict(loaded.accuracy, **{key: value for key, value in (("data", data), ("format", format), ("limit", limit)) if value})
    _check_retry(retry)
    if settings.get("format", "auto") not in datasets.FORMATS:
        fail("--format %s: choose from %s" % (format, ", ".join(datasets.FORMATS)), 2)
    if not settings.get("data"):
        fail("no labelled images: give their folder, as in `dyno accuracy DATA`, or as accuracy.data in %s" % matrix, 2)
    if not planned.cells:
        fail("nothing to measure: no cell of %s fits platform %s%s" % (matrix, environment.platform_name(), " and --only" if only else ""))
    error = doctor.identity_error()
    if error:
        fail(error)
    places = _places(results, cache)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        found = datasets.open_data(settings["data"], settings.get("format", "auto"), settings.get("classes"))
        cells, reasons = counting.fitting(counting.representatives(planned.cells, settings.get("batch_size")), loaded.models, found)
        for reason in reasons:
            typer.echo("dyno: left out: %s" % reason, err=True)
        if not cells:
            fail("no network of %s fits the data" % matrix)
        os.makedirs(places.cache, exist_ok=True)
        current = counting.Evaluation(
            loaded, places, environment.platform_name(), found, settings, _show_counting if sys.stderr.isatty() else None
        )
        counted = current.execute(cells, retry)
    except (datasets.DataError, record.RecordError) as error:
        fail(error)
    except OSError as error:
        fail("%s: %s" % (error.filename or places.results, error.strerror or error))
    except KeyboardInterrupt:
        _clear_line()
        fail("stopped; what is counted is kept, `dyno accuracy` goes on with the rest", 130)
    _clear_line()
    for warning in current.warnings:
        typer.echo("dyno: warning: %s" % plain(warning), err=True)
    rows = [tally.summary(cell, totals) for cell, totals in sorted(counted)]
    typer.echo(json.dumps(rows, indent=1) if as_json else "\n".join(tally.sentence(row) for row in rows))


@app.command()
def status(
    matrix: str = MATRIX,
    profile: Optional[str] = PROFILE,
    only: List[str] = ONLY,
    results: str = RESULTS,
    as_json: bool = JSON,
):
    """What of the matrix is done, failed, skipped, contended and missing."""
    from runner import environment, run

    _, planned = _planned(matrix, profile, only)
    _, last, warnings = run.history(_places(results, None).record_path(environment.platform_name()))
    left = run.missing(planned.cells, last)
    lines = [last[cell] for cell in planned.cells if cell in last]
    groups = {name: [line for line in lines if line["status"] == name] for name in ("ok", "failed", "skipped")}
    contended = [line for line in groups["ok"] if "contended" in (line.get("quality") or ())]
    overhead_s = run.overhead_s(groups["ok"])
    if as_json:
        document = {name: [line["cell_id"] for line in found] for name, found in groups.items()}
        document.update(contended=[line["cell_id"] for line in contended], missing=[cell.id for cell in left], overhead_s=overhead_s)
        typer.echo(json.dumps(document, indent=1))
        return
    for warning in warnings:
        typer.echo("dyno: warning: %s" % plain(warning), err=True)
    for name in ("failed", "skipped"):
        for line in groups[name]:
            typer.echo(plain("%s: %s: %s" % (name, line["cell_id"], line["reason"])))
    for line in contended:
        typer.echo(plain("contended: %s" % line["cell_id"]))
    counts = [("done", len(groups["ok"])), ("failed", len(groups["failed"])), ("skipped", len(groups["skipped"]))]
    counts += [("contended", len(contended)), ("missing", len(left))]
    typer.echo(", ".join("%d %s" % (count, name) for name, count in counts))
    if overhead_s is not None:
        typer.echo("overhead: %.2f s per measuring process (wall less load, warm-up and samples)" % overhead_s)
    if groups["failed"]:
        typer.echo("`dyno run --retry failed` measures the failed ones again")


@app.command()
def backends(as_json: bool = JSON):
    """The backends, and why one can't run here."""
    from runner import backends as registry

    found = registry.describe()
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    for item in found:
        typer.echo(
            "%-12s %-44s %s"
            % (item["name"], "%s; %s" % (", ".join(item["devices"]), ", ".join(item["precisions"])), item["reason"] or "ready")
        )
        for variant in item["variants"]:
            typer.echo("  %s:%s" % (item["name"], variant))


@app.command()
def models(as_json: bool = JSON):
    """The networks that need no prefix; timm:NAME, onnx:PATH and module:function are taken too."""
    from runner import models as registry

    names = registry.names()
    typer.echo(json.dumps(names) if as_json else "\n".join(names))


@app.command()
def environment():
    """The facts of this machine that go into its records, as JSON."""
    from runner import environment as facts

    typer.echo(json.dumps(facts.describe(), indent=1, sort_keys=True))


@app.command()
def doctor(results: str = RESULTS, as_json: bool = JSON):
    """Check the machine before anything is measured, with the flag or command that mends what is wrong."""
    from runner import doctor as checkup
    from runner import environment as facts

    checks = checkup.checks(results, facts.platform_name())
    if as_json:
        typer.echo(json.dumps([check._asdict() if hasattr(check, "_asdict") else vars(check) for check in checks], indent=1))
    else:
        for check in checks:
            mark = {True: "ok", False: "FAIL", None: "--"}[check.ok]
            typer.echo(
                "%-4s  %-22s %s%s" % (mark, check.name, check.found, "" if check.ok or not check.mend else "\n      mend: %s" % check.mend)
            )
    if any(check.ok is False for check in checks):
        raise typer.Exit(1)


@app.command()
def export(
    matrix: str = MATRIX,
    profile: Optional[str] = PROFILE,
    only: List[str] = ONLY,
    results: str = RESULTS,
    cache: Optional[str] = CACHE,
):
    """Fill the cache with the networks' files, for images that have no PyTorch to make them."""
    from runner import export_cache

    loaded, planned = _planned(matrix, profile, only)
    made, reasons = export_cache.fill(loaded, planned, _places(results, cache))
    for reason in reasons:
        typer.echo("dyno: %s" % reason, err=True)
    typer.echo("%d files of networks are in %s" % (made, _places(results, cache).cache))
    if reasons:
        raise typer.Exit(1)


@app.command()
def calibrate(
    matrix: str = MATRIX,
    profile: Optional[str] = typer.Option("quick", "--profile", "-p", help="Profile whose first cells are measured twice."),
    only: List[str] = ONLY,
    results: str = RESULTS,
    cache: Optional[str] = CACHE,
    cells: int = typer.Option(6, "--cells", min=1, help="How many cells."),
):
    """Measure this host's noise floor: the same small sweep twice, compared with itself."""
    import subprocess
    import time
    from importlib.util import find_spec

    from runner import environment, record
    from runner.run import Places, Run

    loaded, planned = _planned(matrix, profile, only)
    if not planned.cells:
        fail("nothing to measure: no cell fits platform %s" % environment.platform_name())
    folder = os.path.join(results, "calibration", time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
    shared = _places(results, cache).cache
    sides = [os.path.join(folder, side) for side in ("a", "b")]
    try:
        os.makedirs(shared, exist_ok=True)
        for side in sides:
            report = _show_progress if sys.stderr.isatty() else None
            Run(loaded, Places(side, shared), environment.platform_name(), report=report).execute(planned.cells[:cells])
    except record.RecordError as error:
        fail(error)
    except OSError as error:
        fail("%s: %s" % (error.filename or folder, error.strerror or error))
    except KeyboardInterrupt:
        _clear_line()
        fail("stopped; a noise floor needs both sweeps", 130)
    _clear_line()
    paths = [os.path.join(side, "records") for side in sides]
    if find_spec("pandas") is None or find_spec("analysis") is None:
        typer.echo(
            "measured; on the host: python -m analysis calibrate %s --out %s" % (" ".join(paths), os.path.join(results, "noise.json"))
        )
        return
    command = [sys.executable, "-m", "analysis", "calibrate"] + paths + ["--out", os.path.join(results, "noise.json")]
    raise typer.Exit(subprocess.call(command))


@app.command()
def schema():
    """The record's fields with their units, as Markdown."""
    from runner import record

    typer.echo(record.document(), nl=False)


def _version(value: bool):
    if value:
        typer.echo("dyno %s" % __version__)
        raise typer.Exit()


@app.callback()
def _options(version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version.")):
    pass


def _interrupt(*_):
    raise KeyboardInterrupt


def _seconds(text):
    units = {"s": 1, "m": 60, "h": 3600}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1)
    try:
        value = float(number) * unit
        if not 0 < value < 1e9:
            raise ValueError
        return value
    except ValueError:
        fail("--time-budget %s: give a time such as 90s, 10m or 2h" % text, 2)


def _duration(seconds):
    if seconds < 90:
        return "%d s" % round(seconds)
    return "%d min" % round(seconds / 60) if seconds < 5400 else "%.1f h" % (seconds / 3600)


def _show_progress(progress):
    left = progress.total - progress.done
    text = "[%d/%d] %s%s, %s left" % (
        progress.done,
        progress.total,
        progress.cell.id,
        " (anchor)" if progress.role == "anchor" else "",
        _duration(progress.remaining_s),
    )
    width = _columns() - 1
    if progress.line is not None and progress.line["status"] != "ok":
        _clear_line()
        typer.echo(plain("%s: %s: %s" % (progress.line["status"], progress.cell.id, progress.line["reason"])), err=True)
    elif left or progress.line is None:
        typer.echo("\r\033[K" + (text if len(text) <= width else text[: width - 1] + "~"), err=True, nl=False)


def _show_counting(progress):
    text = "[%d/%d] %d of %d images" % (progress.done + 1, progress.total, progress.images, progress.of)
    if progress.remaining_s == progress.remaining_s:  # unknown before the first part
        text += ", %s left" % _duration(progress.remaining_s)
    text, width = "%s, %s" % (text, progress.cell.id), _columns() - 1
    typer.echo("\r\033[K" + (text if len(text) <= width else text[: width - 1] + "~"), err=True, nl=False)


def _columns():
    import shutil

    return shutil.get_terminal_size().columns


def _clear_line():
    if sys.stderr.isatty():
        typer.echo("\r\033[K", err=True, nl=False)


def main():
    app()


if __name__ == "__main__":
    main()
