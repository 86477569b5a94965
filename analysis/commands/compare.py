"""`dyno compare A B`, and `dyno compare --run A B`, which measures both first."""

import time
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from runner.program import exits
from runner.program.options import CACHE, MATRIX, ONLY, PROFILE, RESULTS, below_results
from runner.program.terminal import fail, plain, seconds, warn

MOST_ROUNDS = 100


class Format(str, Enum):
    table = "table"
    json = "json"
    markdown = "markdown"


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def compare(
        a: Annotated[
            str,
            typer.Argument(
                metavar="A",
                help="Before: a record file, folder or s3:// bucket. With --run: a matrix, a Python that has dyno, or an image.",
            ),
        ],
        b: Annotated[str, typer.Argument(metavar="B", help="After: the same kinds.")],
        run: Annotated[
            bool, typer.Option("--run", help="Measure A and B in alternating rounds, then compare them round by round.")
        ] = False,
        rounds: Annotated[
            int, typer.Option(min=2, max=MOST_ROUNDS, metavar="N", help="With --run: how many pairs of rounds; more find smaller changes.")
        ] = 6,
        time_budget: Annotated[
            str | None, typer.Option(metavar="TIME", help="With --run: begin no pair that would end after this: 90s, 10m, 2h.")
        ] = None,
        matrix: str = MATRIX,
        profile: str | None = PROFILE,
        only: list[str] = ONLY,
        results: str = RESULTS,
        cache: str | None = CACHE,
        paired: Annotated[
            bool, typer.Option("--paired", help="A and B were measured in alternating rounds: compare round by round.")
        ] = False,
        smallest_effect: Annotated[float, typer.Option(help="Smallest change that matters: 0.02 is 2 %.", min=0.0, metavar="SHARE")] = 0.02,
        alpha: Annotated[float, typer.Option(help="Chance of a false verdict.", metavar="P", min=1e-6, max=0.5)] = 0.05,
        noise: Annotated[
            Path | None,
            typer.Option(
                metavar="FILE", help="Noise floor of the host, from `dyno noise`. [default: RESULTS/noise.json]", show_default=False
            ),
        ] = None,
        output: Annotated[Format, typer.Option("--format", metavar="FORMAT", help="table, json or markdown.")] = Format.table,
        strict: Annotated[bool, typer.Option(help="Also exit with 1 if a cell is INCONCLUSIVE.")] = False,
    ) -> None:
        """Say per cell whether B is FASTER or SLOWER than A, the SAME, or INCONCLUSIVE.

        Exit codes: 0 nothing is slower; 1 a cell is slower, or failed where A had a time (--strict: or INCONCLUSIVE); 2 usage or nothing to compare.
        """
        from analysis.compare import alternate, text
        from analysis.compare import compare as judge
        from analysis.compare import noise as floors
        from analysis.merge import table as merging

        sides = [a, b]
        if run:
            all_results = Path(results).resolve()
            folder = all_results / "compare" / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
            asked = alternate.Asked(matrix, profile, tuple(only), all_results, Path(cache).resolve() if cache else None)
            before, after = alternate.side("A", a, folder), alternate.side("B", b, folder)
            sides = [str(one.folder / "records") for one in (before, after)]
            again = f"dyno compare --paired {sides[0]} {sides[1]}"
            say = lambda line: typer.echo(plain(line), err=True)
            try:
                done = alternate.alternate(before, after, asked, rounds, seconds(time_budget) if time_budget else None, say)
            except KeyboardInterrupt:
                fail(f"stopped; what is done is kept, `{again}` compares it", exits.INTERRUPTED)
            say(f"{done} pairs; compared again by `{again}`")
        frames = []
        for place in sides:
            merged = merging.merge([place])
            for problem, count in merged.problems.items():
                warn([f"{place}: {count} {problem}"])
            frames.append(merged.frame)
        hosts = {str(host) for frame in frames for host in frame["host"].dropna()}
        floor = floors.load(noise or Path(below_results("noise.json")), hosts.pop()) if len(hosts) == 1 and not (run or paired) else None
        found = judge.compare(frames[0], frames[1], smallest_effect, alpha, floor.between if floor else None, run or paired)
        typer.echo(text.WRITERS[output.value](found), nl=False)
        raise typer.Exit(found.exit_code(strict))
