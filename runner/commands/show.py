"""Commands that measure nothing: plan says what would be done, status what is done."""

import json
from collections import Counter
from statistics import median
from typing import Any, Dict, List, Optional, Sequence

import typer

from runner.program import exits
from runner.program import results as shown
from runner.program.options import CACHE, JSON, MATRIX, ONLY, PROFILE, RESULTS, chosen, places_of, planned_cells
from runner.program.terminal import duration, fail, plain, table, warn


def plan(
    matrix: str = MATRIX,
    profile: Optional[str] = PROFILE,
    only: List[str] = ONLY,
    results: str = RESULTS,
    cache: Optional[str] = CACHE,
    informative: Optional[int] = typer.Option(
        None,
        "--informative",
        min=1,
        metavar="K",
        help="Only name the K networks to measure first, from which the others are predicted best.",
    ),
    as_json: bool = JSON,
) -> None:
    """Show the cells of this platform in their order, what is left out and why, and how long it will take."""
    from runner import backends
    from runner.machine import environment
    from runner.measure import history

    loaded, planned = planned_cells(matrix, profile, only)
    asked = {cell.base_backend for cell in planned.cells}
    warn(["%s: %s; its cells will be skipped" % (name, fault) for name, fault in sorted(backends.faults().items()) if name in asked])
    if informative:
        return _informative(loaded, planned, places_of(results, cache), informative, as_json)
    found = history.read(places_of(results, None).record_path(environment.platform_name(), environment.host()))
    last, left = found.last, history.due(planned.cells, found, loaded.models, loaded.protocol)
    estimates = history.estimates_s(planned.cells, loaded.protocol, last)
    total_s = sum(estimates[cell] for cell in left)
    if as_json:
        cells = [dict(cell.as_dict(), id=cell.id, missing=cell in left, estimate_s=round(estimates[cell], 1)) for cell in planned.cells]
        excluded = [dict(cell.as_dict(), id=cell.id, reason=reason) for cell, reason in planned.excluded]
        typer.echo(json.dumps({"cells": cells, "excluded": excluded, "estimate_s": round(total_s, 1)}, indent=1))
        return
    rows = [
        [str(number)] + shown.axes(cell) + ["about %s" % duration(estimates[cell]) if cell in left else "done"]
        for number, cell in enumerate(planned.cells, 1)
    ]
    if rows:
        typer.echo(table(("#",) + shown.AXES + ("time",), rows, ("#",) + shown.NUMBERS))
    for what, reasons in (
        ("left out", Counter(reason for _, reason in planned.excluded)),
        ("stale or unfinished", Counter(reason for cell, reason in left.items() if cell in last)),
    ):
        for reason, count in sorted(reasons.items()):
            typer.echo(plain("%s: %d cell%s: %s" % (what, count, "" if count == 1 else "s", reason)))
    typer.echo("%d cells, %d to measure, about %s" % (len(planned.cells), len(left), duration(total_s)))
    if left:
        typer.echo("next: %s" % shown.command("run", chosen(matrix, profile, only, results)))


def _informative(loaded: Any, planned: Any, places: Any, count: int, as_json: bool) -> None:
    """Measure these first on a new platform; the rest can be predicted (`dyno predict`)."""
    from runner.measure import export_cache

    names, reasons = export_cache.informative_models(loaded, planned, places, count)
    for reason in reasons:
        typer.echo("dyno: %s" % plain(reason), err=True)
    if not names:
        fail("no network's graph is known; `dyno export` makes them where PyTorch is", exits.USAGE)
    typer.echo(json.dumps(names) if as_json else shown.command("run", {"--only": "model=" + ",".join(names)}))


def status(
    matrix: str = MATRIX,
    profile: Optional[str] = PROFILE,
    only: List[str] = ONLY,
    results: str = RESULTS,
    as_json: bool = JSON,
) -> None:
    """Show what of the matrix is done, failed, skipped, contended and missing, and the command that fixes it."""
    from runner.machine import environment
    from runner.measure import history

    loaded, planned = planned_cells(matrix, profile, only)
    found = history.read(places_of(results, None).record_path(environment.platform_name(), environment.host()))
    last, warnings = found.last, found.warnings
    reasons = history.due(planned.cells, found, loaded.models, loaded.protocol)
    left = [cell for cell in reasons if cell not in last]
    stale = [cell for cell in reasons if cell in last]
    groups: Dict[str, List[str]] = {"ok": [], "failed": [], "skipped": []}  # cell ids: a record file may hold a hundred thousand
    contended: List[str] = []
    doubtful: Dict[str, List[Any]] = {"failed": [], "skipped": [], "ok": []}
    overheads_s: List[float] = []
    for line in (last[cell] for cell in planned.cells if cell in last):
        groups[line.status].append(line.cell.id)
        if line.status == "ok":
            overheads_s += line.overheads_s
            contended += [line.cell.id] if "contended" in shown.labels(line) else []
        if line.status != "ok" or shown.labels(line):
            doubtful[line.status].append(shown.axes(line.cell) + [shown.verdict(line)])
    overhead_s = median(overheads_s) if overheads_s else None
    if as_json:
        document: Dict[str, Any] = dict(groups)
        document.update(contended=contended, missing=[cell.id for cell in left], stale=[cell.id for cell in stale], overhead_s=overhead_s)
        typer.echo(json.dumps(document, indent=1))
        return
    warn(warnings)
    rows = doubtful["failed"] + doubtful["skipped"] + doubtful["ok"]
    if rows:
        typer.echo(table(shown.AXES + ("what",), rows, shown.NUMBERS))
    for cell in stale:
        line = last[cell]
        unfinished = "so far %d of %d replicates" % (line.replicates, max(line.asked or 0, loaded.protocol.replicates))
        typer.echo(plain("%s: %s" % (cell.id, unfinished if reasons[cell] == history.UNFINISHED else reasons[cell])))
    counts = [("done", len(groups["ok"])), ("failed", len(groups["failed"])), ("skipped", len(groups["skipped"]))]
    counts += [("contended", len(contended)), ("missing", len(left))]
    counts += [("stale or unfinished", len(stale))] if stale else []
    typer.echo(", ".join("%d %s" % (count, name) for name, count in counts))
    if overhead_s is not None:
        typer.echo("overhead: %.2f s per measuring process (wall time without load, warm-up and samples)" % overhead_s)
    _offer(groups["failed"], contended, left, chosen(matrix, profile, only, results))


def _offer(failed: Sequence[str], contended: Sequence[str], left: Sequence[Any], options: Any) -> None:
    """The commands that fix what is listed."""
    if left:
        typer.echo("%s  measures what is missing" % shown.command("run", options))
    for name, lines in (("failed", failed), ("contended", contended)):
        if lines:
            typer.echo("%s  measures the %s cells again" % (shown.command("run", dict(options, **{"--retry": name})), name))
