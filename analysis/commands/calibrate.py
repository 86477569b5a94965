"""`python -m analysis calibrate A B [C ...]`."""

from pathlib import Path
from typing import Annotated

import typer

from analysis.commands.compare import NOISE


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def calibrate(
        sweeps: Annotated[
            list[Path], typer.Argument(help="Records of the same sweep, measured two or more times into folders of their own.")
        ],
        out: Annotated[Path, typer.Option(help="Where to keep the noise floor; compare reads it from there.")] = NOISE,
    ) -> None:
        """Measure this host's noise floor: by how much identical sweeps differ."""
        from analysis.compare import noise, text
        from analysis.errors import FrameError
        from analysis.frame.frame import merge

        if len(sweeps) < 2:
            typer.echo("a noise floor needs two sweeps or more", err=True)
            raise typer.Exit(2)
        for side in sweeps:
            if not side.exists():
                typer.echo(f"{side}: no such file or folder", err=True)
                raise typer.Exit(2)
        try:
            found = noise.floor(*(merge([side]).frame for side in sweeps))
        except FrameError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from None
        noise.save(found, out)
        typer.echo(text.floor_text(found), nl=False)
        typer.echo(f"kept in {out}")
