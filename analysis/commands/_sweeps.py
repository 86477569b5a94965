"""What `dyno noise` does with sweeps that were measured: the noise floor, printed and kept."""

from collections.abc import Sequence
from pathlib import Path

import typer

from analysis.compare import noise, text
from analysis.merge import table


def floor(sweeps: Sequence[str], out: str) -> None:
    """Print by how much the sweeps differ and keep it in ``out``; raises FrameError where they can't be compared."""
    found = noise.floor(*(table.merge([side]).frame for side in sweeps))
    noise.save(found, Path(out))
    typer.echo(text.floor_text(found), nl=False)
    typer.echo(f"kept in {out}")
