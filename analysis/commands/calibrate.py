"""`python -m analysis calibrate A B`."""

from pathlib import Path
from typing import Annotated

import typer

from analysis.commands.compare import NOISE


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def calibrate(
        a: Annotated[Path, typer.Argument(help="Records of a sweep.")],
        b: Annotated[Path, typer.Argument(help="Records of the same sweep, measured again into another folder.")],
        out: Annotated[Path, typer.Option(help="Where to keep the noise floor; compare reads it from there.")] = NOISE,
    ) -> None:
        """Measure this host's noise floor: by how much two identical sweeps differ."""
        from analysis import calibrate as noise
        from analysis import comparison
        from analysis.frame import FrameError, merge

        for side in (a, b):
            if not side.exists():
                typer.echo(f"{side}: no such file or folder", err=True)
                raise typer.Exit(2)
        try:
            found = noise.floor(merge([a]).frame, merge([b]).frame)
        except FrameError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from None
        noise.save(found, out)
        typer.echo(comparison.floor_text(found), nl=False)
        typer.echo(f"kept in {out}")
