"""What is here: doctor, backends, models, environment, schema."""

import json

import typer

from runner.program import exits
from runner.program.options import JSON, RESULTS


def doctor(results: str = RESULTS, as_json: bool = JSON) -> None:
    """Check the machine before measuring, and name the flag or command that fixes what is wrong."""
    from runner.doctor import doctor as checkup
    from runner.machine import environment as facts

    checks = checkup.checks(results, facts.platform_name())
    if as_json:
        typer.echo(json.dumps([check._asdict() if hasattr(check, "_asdict") else vars(check) for check in checks], indent=1))
    else:
        for check in checks:
            mark = {True: "ok", False: "FAIL", None: "--"}[check.ok]
            typer.echo(
                "%-4s  %-22s %s%s" % (mark, check.name, check.found, "" if check.ok or not check.fix else "\n      fix: %s" % check.fix)
            )
    if any(check.ok is False for check in checks):
        raise typer.Exit(exits.BAD)


def backends(as_json: bool = JSON) -> None:
    """List the backends, and why one can't run here."""
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


def models(as_json: bool = JSON) -> None:
    """List the networks that need no prefix. timm:NAME, onnx:PATH and module:function work too."""
    from runner.networks import sources as registry

    names = registry.names()
    typer.echo(json.dumps(names) if as_json else "\n".join(names))


def environment() -> None:
    """Print the facts of this machine that go into its records, as JSON."""
    from runner.machine import environment as facts

    typer.echo(json.dumps(facts.describe(), indent=1, sort_keys=True))


def schema() -> None:
    """Print the record's fields with their units, as Markdown."""
    from runner.records.schema import document

    typer.echo(document(), nl=False)
