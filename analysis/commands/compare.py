"""`dyno compare A B`."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from runner.program.options import below_results
from runner.program.terminal import warn


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
        noise: Annotated[
            Path | None, typer.Option(help="Noise floor of the host, from `dyno noise`.", show_default="RESULTS/noise.json")
        ] = None,
        output: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.table,
        strict: Annotated[bool, typer.Option(help="Exit code 1 also where cells are INCONCLUSIVE.")] = False,
    ) -> None:
        """Say per cell whether B is FASTER or SLOWER than A, the SAME, or INCONCLUSIVE.

        Exit codes: 0 nothing is slower; 1 a cell is slower, or failed where A had a time (--strict: or INCONCLUSIVE); 2 usage or nothing to compare.
        """
        from analysis.compare import compare as judge
        from analysis.compare import noise as floors
        from analysis.compare import text
        from analysis.errors import FrameError
        from analysis.frame.frame import merge

        frames = []
        for side in (a, b):
            if not side.exists():
                raise FrameError(f"{side}: no such file or folder")
            merged = merge([side])
            for problem, count in merged.problems.items():
                warn([f"{side}: {count} {problem}"])
            frames.append(merged.frame)
        hosts = {str(host) for frame in frames for host in frame["host"].dropna()}
        floor = floors.load(noise or Path(below_results("noise.json")), hosts.pop()) if len(hosts) == 1 else None
        table = judge.compare(frames[0], frames[1], smallest_effect, alpha, floor.between if floor else None)
        typer.echo(text.WRITERS[output.value](table), nl=False)
        raise typer.Exit(judge.exit_code(table, strict))
