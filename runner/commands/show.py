"""Commands that measure nothing: what would be done, what is done, what is here."""

import json
from typing import List, Optional

import typer

from runner.program.options import CACHE, JSON, MATRIX, ONLY, PROFILE, RESULTS, places_of, planned_cells
from runner.program.terminal import duration, fail, plain


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
    from runner.machine import environment
    from runner.measure import history

    loaded, planned = planned_cells(matrix, profile, only)
    if calibration:
        return _calibration(loaded, planned, places_of(results, cache), calibration, as_json)
    found = history.read(places_of(results, None).record_path(environment.platform_name(), environment.host()))
    last, left = found.last, set(history.due(planned.cells, found, loaded.models, loaded.protocol))
    estimates = {cell: history.estimate_s(cell, loaded.protocol, last) for cell in planned.cells}
    total_s = sum(estimates[cell] for cell in left)
    if as_json:
        cells = [dict(cell.as_dict(), id=cell.id, missing=cell in left, estimate_s=round(estimates[cell], 1)) for cell in planned.cells]
        excluded = [dict(cell.as_dict(), id=cell.id, reason=reason) for cell, reason in planned.excluded]
        typer.echo(json.dumps({"cells": cells, "excluded": excluded, "estimate_s": round(total_s, 1)}, indent=1))
        return
    for cell in planned.cells:
        typer.echo("%s  %s" % (cell.id, "about %s" % duration(estimates[cell]) if cell in left else "done"))
    reasons = {}
    for _, reason in planned.excluded:
        reasons[reason] = reasons.get(reason, 0) + 1
    for reason, count in sorted(reasons.items()):
        typer.echo(plain("left out: %d cell%s: %s" % (count, "" if count == 1 else "s", reason)))
    typer.echo("%d cells, %d to measure, about %s" % (len(planned.cells), len(left), duration(total_s)))


def _calibration(loaded, planned, places, count, as_json):
    """Measure these first on a new platform; the rest can be predicted (`python -m analysis predict`)."""
    from runner.measure import export_cache

    names, reasons = export_cache.calibration_models(loaded, planned, places, count)
    for reason in reasons:
        typer.echo("dyno: %s" % reason, err=True)
    if not names:
        fail("no network's graph is known; `dyno export` makes them where PyTorch is")
    typer.echo(json.dumps(names) if as_json else "dyno run --only model=%s" % ",".join(names))


def status(
    matrix: str = MATRIX,
    profile: Optional[str] = PROFILE,
    only: List[str] = ONLY,
    results: str = RESULTS,
    as_json: bool = JSON,
):
    """What of the matrix is done, failed, skipped, contended and missing."""
    from runner.machine import environment
    from runner.measure import history

    loaded, planned = planned_cells(matrix, profile, only)
    found = history.read(places_of(results, None).record_path(environment.platform_name(), environment.host()))
    last, warnings = found.last, found.warnings
    reasons = history.due(planned.cells, found, loaded.models, loaded.protocol)
    left = [cell for cell in reasons if cell not in last]
    stale = [cell for cell in reasons if cell in last]
    lines = [last[cell] for cell in planned.cells if cell in last]
    groups = {name: [line for line in lines if line["status"] == name] for name in ("ok", "failed", "skipped")}
    contended = [line for line in groups["ok"] if "contended" in (line.get("quality") or ())]
    overhead_s = history.overhead_s(groups["ok"])
    if as_json:
        document = {name: [line["cell_id"] for line in found] for name, found in groups.items()}
        document.update(
            contended=[line["cell_id"] for line in contended],
            missing=[cell.id for cell in left],
            stale=[cell.id for cell in stale],
            overhead_s=overhead_s,
        )
        typer.echo(json.dumps(document, indent=1))
        return
    for warning in warnings:
        typer.echo("dyno: warning: %s" % plain(warning), err=True)
    for name in ("failed", "skipped"):
        for line in groups[name]:
            typer.echo(plain("%s: %s: %s" % (name, line["cell_id"], line["reason"])))
    for line in contended:
        typer.echo(plain("contended: %s" % line["cell_id"]))
    for cell in stale:
        line = last[cell]
        unfinished = "so far %d of %d replicates" % (len(line["replicates"]), max(line.get("asked") or 0, loaded.protocol.replicates))
        typer.echo(plain("%s: %s" % (cell.id, unfinished if reasons[cell] == history.UNFINISHED else reasons[cell])))
    counts = [("done", len(groups["ok"])), ("failed", len(groups["failed"])), ("skipped", len(groups["skipped"]))]
    counts += [("contended", len(contended)), ("missing", len(left))]
    counts += [("stale or unfinished", len(stale))] if stale else []
    typer.echo(", ".join("%d %s" % (count, name) for name, count in counts))
    if overhead_s is not None:
        typer.echo("overhead: %.2f s per measuring process (wall less load, warm-up and samples)" % overhead_s)
    if groups["failed"]:
        typer.echo("`dyno run --retry failed` measures the failed ones again")


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


def models(as_json: bool = JSON):
    """The networks that need no prefix; timm:NAME, onnx:PATH and module:function are taken too."""
    from runner.networks import sources as registry

    names = registry.names()
    typer.echo(json.dumps(names) if as_json else "\n".join(names))


def environment():
    """The facts of this machine that go into its records, as JSON."""
    from runner.machine import environment as facts

    typer.echo(json.dumps(facts.describe(), indent=1, sort_keys=True))


def doctor(results: str = RESULTS, as_json: bool = JSON):
    """Check the machine before anything is measured, with the flag or command that mends what is wrong."""
    from runner.doctor import doctor as checkup
    from runner.machine import environment as facts

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


def export(
    matrix: str = MATRIX,
    profile: Optional[str] = PROFILE,
    only: List[str] = ONLY,
    results: str = RESULTS,
    cache: Optional[str] = CACHE,
):
    """Fill the cache with the networks' files, for images that have no PyTorch to make them."""
    from runner.measure import export_cache

    loaded, planned = planned_cells(matrix, profile, only)
    made, reasons = export_cache.fill(loaded, planned, places_of(results, cache))
    for reason in reasons:
        typer.echo("dyno: %s" % reason, err=True)
    typer.echo("%d files of networks are in %s" % (made, places_of(results, cache).cache))
    if reasons:
        raise typer.Exit(1)


def schema():
    """The record's fields with their units, as Markdown."""
    from runner.records.schema import document

    typer.echo(document(), nl=False)
