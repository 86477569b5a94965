"""`dyno profile`: where a network's time goes, by operator."""

import json
import os
from typing import Optional

import typer

from runner.errors import MatrixError, ModelUnavailable, RecordError
from runner.program import exits
from runner.program.options import CACHE, JSON, RESULTS, places_of
from runner.program.terminal import fail, measuring, plain
from runner.records.line import Line

SHOWN = 12  # operators


def profile(
    model: str = typer.Argument(..., metavar="MODEL", help="The network, as a matrix names it."),
    backend: str = typer.Option("pytorch", "--backend", metavar="NAME", help="Framework, with a variant after a colon."),
    precision: str = typer.Option("fp32", "--precision", metavar="NAME", help="Numeric format."),
    batch_size: int = typer.Option(1, "--batch-size", min=1, metavar="N", help="Images per batch."),
    input_px: int = typer.Option(224, "--input-px", min=1, metavar="N", help="Height and width of the input."),
    results: str = RESULTS,
    cache: Optional[str] = CACHE,
    as_json: bool = JSON,
) -> None:
    """Show where a network's time goes, by operator, from the framework's own counters.

    The network is timed in one process and watched in another, so that watching costs no time.

    Exit codes: 0 fine; 1 it could not be profiled; 2 usage.
    """
    from runner.machine import environment
    from runner.measure import profile as profiling
    from runner.measure.session import Session
    from runner.plan import matrix, plan
    from runner.records import file as record_file

    axes = {"backend": backend, "model": model, "precision": precision, "batch_size": batch_size, "input_px": input_px}
    try:
        loaded = matrix.parse(json.dumps({"axes": axes}), "dyno profile")
        planned = plan.plan(loaded, environment.platform_name(), environment.declared_devices() or ["cpu"])
    except (MatrixError, ModelUnavailable) as error:
        fail(error, exits.USAGE)
    if not planned.cells:
        fail("nothing to profile: %s" % "; ".join(sorted({reason for _, reason in planned.excluded})), exits.USAGE)
    places = places_of(results, cache)
    session = Session(loaded, places, environment.platform_name())
    with measuring(places.results, "nothing is kept", RecordError):
        os.makedirs(places.cache, exist_ok=True)
        with record_file.RecordFile(session.record_path) as session.file:
            try:
                session.append_environment(session.facts())
                found = [profiling.time_and_profile(session, cell) for cell in planned.cells]
            finally:
                session.close()
    for line in found:
        if line.status == "ok":
            typer.echo(json.dumps(line.profile, indent=1) if as_json else plain_table(line))
        else:
            typer.echo("dyno: %s: %s" % (line.cell.id, plain(line.reason or "")), err=True)
    if any(line.status != "ok" for line in found):
        raise typer.Exit(exits.BAD)


def plain_table(line: Line) -> str:
    """A profile as text: groups, the longest operators, and the sum against the median where nobody watched."""
    told = line.profile or {}
    total = told["sum_s"] or 1.0
    rows = ["%s: %s, %d batches" % (line.cell.id, told["method"], told["batches"]), ""]
    groups = sorted(told["groups"].items(), key=lambda pair: -pair[1]["s"])
    rows += ["%-40s %8s %10s %7s" % ("group", "runs", "ms", "share")]
    rows += ["%-40s %8.4g %10.4g %6.1f%%" % (name, group["count"], 1e3 * group["s"], 100 * group["s"] / total) for name, group in groups]
    rows += ["", "%-40s %8s %10s %7s  %s" % ("operator", "runs", "ms", "share", "group")]
    for one in told["operators"][:SHOWN]:
        rows.append(
            "%-40s %8.4g %10.4g %6.1f%%  %s" % (plain(one["type"])[:40], one["count"], 1e3 * one["s"], 100 * one["s"] / total, one["group"])
        )
    if len(told["operators"]) > SHOWN:
        rows.append("and %d more" % (len(told["operators"]) - SHOWN))
    rows += ["", "sum of the operators %.4g ms, median where nobody watched %.4g ms (%.0f %%)"
             % (1e3 * told["sum_s"], 1e3 * told["timed_s"], 100 * told["sum_s"] / told["timed_s"])]  # fmt: skip
    return "\n".join(rows)
