"""`dyno selftest`: what this platform can do, proven by doing it."""

import json
import tempfile
from typing import Any, List, Optional

import typer

from runner.program.terminal import fail, plain


def selftest(
    full: bool = typer.Option(
        False, "--full", help="Also try real networks, other tools, a busy machine, too little memory, heat, variants, and all 42 networks."
    ),
    out: str = typer.Option(
        "selftest.json", "--out", metavar="FILE", help="Where the result goes: JSON without personal data, to attach to a report."
    ),
    backend: List[str] = typer.Option([], "--backend", metavar="NAME", help="Only this one; may be repeated. [default: all]"),
    keep: Optional[str] = typer.Option(
        None, "--keep", metavar="FOLDER", help="Keep the records in this folder. [default: they are removed]"
    ),
    budget: Optional[float] = typer.Option(
        None, "--budget", min=1, max=1e6, metavar="SECONDS", help="Time it may take. [default: 180, with --full 470]"
    ),
) -> None:
    """Try every backend, precision, scenario and sensor on this machine, and say what works."""
    from runner import backends
    from runner.files import atomic_write
    from runner.measure.selftest import selftest as measured

    unknown = [name for name in backend if name not in backends.names()]
    if unknown:
        fail("--backend %s: choose from %s" % (unknown[0], ", ".join(backends.names())), 2)

    def show(row: Any) -> None:
        typer.echo("%-12s %s: %s" % (row.verdict, plain(row.what), plain(row.detail)))

    def heading(title: str) -> None:
        typer.echo("-- %s" % title)

    with tempfile.TemporaryDirectory() as folder:
        result = measured.run(keep or folder, full, budget, show, backend or None, heading)
    try:
        atomic_write(out, (json.dumps(result, indent=1, sort_keys=True) + "\n").encode("utf-8"))
    except OSError as error:
        fail("%s: can't be written: %s" % (out, error.strerror))
    verdicts = [row["verdict"] for row in result["rows"]]
    counts = ", ".join("%d %s" % (verdicts.count(name), name) for name in ("ok", "skipped", "wrong", "not reached") if name in verdicts)
    typer.echo("%s in %.0f s; written to %s" % (counts, result["seconds"], out))
    if "wrong" in verdicts:
        raise typer.Exit(1)
