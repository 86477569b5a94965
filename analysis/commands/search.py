"""`search`: the best of all known networks within limits, after a few measurements."""

from pathlib import Path
from typing import Annotated

import typer

from runner.program.options import RESULTS
from runner.program.terminal import measuring


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def search(
        max_latency_ms: Annotated[float | None, typer.Option(metavar="MS", min=0.001, help="Milliseconds per batch.")] = None,
        min_top1: Annotated[float | None, typer.Option(metavar="PERCENT", min=0, max=100, help="Top-1 accuracy in percent.")] = None,
        max_memory_mb: Annotated[float | None, typer.Option(metavar="MIB", min=0.001, help="MiB above the baseline.")] = None,
        max_energy_j: Annotated[float | None, typer.Option(metavar="J", min=1e-9, help="Joules per image.")] = None,
        batch_size: Annotated[int, typer.Option(metavar="N", min=1, help="Images per batch.")] = 1,
        backend: Annotated[
            list[str] | None, typer.Option(metavar="NAME", help="Backend; several are compared.", show_default="pytorch")
        ] = None,
        precision: Annotated[
            list[str] | None, typer.Option(metavar="NAME", help="Numeric precision; several are compared.", show_default="fp32")
        ] = None,
        device: Annotated[str, typer.Option(metavar="NAME", help="Device to search for: cpu, gpu, ..")] = "cpu",
        platform: Annotated[str | None, typer.Option(metavar="NAME", help="Platform, where the records hold several.")] = None,
        license: Annotated[str | None, typer.Option(metavar="NAME", help="commercial: leave out weights whose licence forbids it.")] = None,
        candidates: Annotated[Path | None, typer.Option(metavar="FILE", help="CSV of own networks: model, top1, input_px.")] = None,
        only_candidates: Annotated[
            bool, typer.Option("--only-candidates", help="The networks of --candidates alone, without the catalogue's.")
        ] = False,
        measurements: Annotated[
            int | None, typer.Option(min=1, metavar="N", help="Measure at most this many networks.", show_default="20; with --budget, any")
        ] = None,
        budget: Annotated[str | None, typer.Option(metavar="TIME", help="Begin nothing after this time: 90s, 15m, 2h.")] = None,
        results: str = RESULTS,
        next_: Annotated[
            bool, typer.Option("--next", help="Only print the matrix of what to measure next, for a device that this program can't run on.")
        ] = False,
    ) -> None:
        """Measure the few networks that decide which of all known ones is the most accurate within the limits. Records are kept; running it again continues.

        Networks' files take up to 4 GB below RESULTS/cache; those used longest ago are dropped first.
        """
        from analysis.predict import candidates as known
        from analysis.predict import door, drive
        from analysis.predict.limits import Limits
        from analysis.predict.searching import Arm, Task

        if license not in (None, "commercial"):
            raise typer.BadParameter(f"{license}: give commercial, or leave it out", param_hint="--license")
        if "int8" in (precision or ()):
            raise typer.BadParameter(
                "what int8 costs in accuracy is known only once it is counted; search fp32, tf32, fp16 or bf16", param_hint="--precision"
            )
        limits = Limits(max_latency_ms and max_latency_ms / 1e3, max_memory_mb, max_energy_j, min_top1)
        places = drive.Places(Path(results), platform)
        frame = drive.frame_of(places)
        found = known.own(candidates, drive.empty_or(frame)) if candidates else []
        if only_candidates and not candidates:
            raise typer.BadParameter("give the networks with --candidates", param_hint="--only-candidates")
        others = [] if only_candidates else known.catalogued(license, min_top1)
        found += [c for c in others if c.key not in {mine.key for mine in found}]
        found = [c for c in found if min_top1 is None or c.top1 >= min_top1]
        arms = [Arm(b, p, device) for b in dict.fromkeys(backend or ["pytorch"]) for p in dict.fromkeys(precision or ["fp32"])]
        task = Task(tuple(found), tuple(arms), limits, batch_size)
        budget_s = drive.seconds(budget)
        door.check(task, places.results, platform, not next_, budget_s, frame is not None)
        most = measurements or (drive.USUAL if budget is None else drive.ANY)
        if next_:
            typer.echo(drive.next_matrix(task, places, most))
            return
        with measuring(results, "what is measured is kept, the same command goes on"):
            typer.echo(drive.run(task, places, most, budget_s, typer.echo))
