"""`python -m analysis compare A B`."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

NOISE = Path("results/noise.json")


class Format(str, Enum):
    table = "table"
    json = "json"
    markdown = "markdown"


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def compare(
        a: Annotated[Path, typer.Argument(help="Record file or folder: before.")],
        b: Annotated[Path, typer.Argument(help="Record file or folder: after.")],
        smallest_effect: Annotated[float, typer.Option(help="Smallest change that matters, as a share: 0.02 is 2 %.", min=0.0)] = 0.02,
        alpha: Annotated[float, typer.Option(help="Chance of a false verdict.", min=1e-6, max=0.5)] = 0.05,
        noise: Annotated[Path, typer.Option(help="Noise floor of the host, from `calibrate`.")] = NOISE,
        output: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.table,
        strict: Annotated[bool, typer.Option(help="Exit code 1 also where cells are INCONCLUSIVE.")] = False,
    ) -> None:
        """Say per cell whether B is FASTER or SLOWER than A, the SAME, or INCONCLUSIVE.

        Exit codes: 0 nothing is slower; 1 a cell is slower, or failed where A had a time (--strict: or INCONCLUSIVE); 2 usage.
        """
        from analysis.compare import compare as judge
        from analysis.compare import noise as calibrate
        from analysis.compare import text
        from analysis.errors import FrameError
        from analysis.frame.frame import merge

        frames = []
        for side in (a, b):
            if not side.exists():
                typer.echo(f"{side}: no such file or folder", err=True)
                raise typer.Exit(2)
            merged = merge([side])
            for problem, count in merged.problems.items():
                typer.echo(f"warning: {side}: {count} {problem}", err=True)
            frames.append(merged.frame)
        try:
            hosts = {str(host) for frame in frames for host in frame["host"].dropna()}
            floor = calibrate.load(noise, hosts.pop()) if len(hosts) == 1 else None
            table = judge.compare(frames[0], frames[1], smallest_effect, alpha, floor.between if floor else None)
        except FrameError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from None
        typer.echo(text.WRITERS[output.value](table), nl=False)
        raise typer.Exit(judge.exit_code(table, strict))
