"""`dyno recommend`."""

from pathlib import Path
from typing import Annotated

import typer

from runner.program import exits
from runner.program.options import RECORDS, below_results
from runner.program.terminal import plain


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def recommend(
        platform: Annotated[str, typer.Option(metavar="NAME", help="Platform to deploy on, as records name it.")],
        max_latency_ms: Annotated[float | None, typer.Option(metavar="MS", min=0.001, help="Milliseconds per batch.")] = None,
        min_top1: Annotated[float | None, typer.Option(metavar="PERCENT", min=0, max=100, help="Top-1 accuracy in percent.")] = None,
        max_memory_mb: Annotated[float | None, typer.Option(metavar="MIB", min=0.001, help="MiB above the baseline.")] = None,
        max_energy_j: Annotated[float | None, typer.Option(metavar="J", min=1e-9, help="Joules per image.")] = None,
        batch_size: Annotated[int, typer.Option(metavar="N", min=1, help="Images per batch.")] = 1,
        backend: Annotated[str | None, typer.Option(metavar="NAME", help="Backend, if not the one with most networks.")] = None,
        device: Annotated[str | None, typer.Option(metavar="NAME", help="Device of the platform.")] = None,
        precision: Annotated[str | None, typer.Option(metavar="NAME", help="Numeric precision.")] = None,
        records: list[str] = RECORDS,
        license: Annotated[str | None, typer.Option(metavar="NAME", help="commercial: leave out weights whose licence forbids it.")] = None,
        candidates: Annotated[Path | None, typer.Option(metavar="FILE", help="CSV of own networks: model, top1, input_px.")] = None,
        all_: Annotated[bool, typer.Option("--all", help="List everything that meets the limits, not only the frontier.")] = False,
        only_records: Annotated[
            bool, typer.Option("--only-records", help="Networks of the records alone, without the catalogue's.")
        ] = False,
        check: Annotated[bool, typer.Option("--check", help="Exit code 1 if no network meets the limits.")] = False,
        json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:
        """Which networks meet the limits: measured ones first, predicted ones marked; and what to relax where none does."""
        import json

        import pandas as pd

        from analysis.frame.metrics import MILLI
        from analysis.merge import table
        from analysis.predict import advice as words
        from analysis.predict import candidates as networks
        from analysis.predict import offers
        from analysis.predict import recommend as advice
        from analysis.predict.limits import Limits
        from analysis.predict.tables import key

        if license not in (None, "commercial"):
            raise typer.BadParameter(f"{license}: give commercial, or leave it out", param_hint="--license")

        frame = table.merge(records or [below_results("records")]).frame
        limits = Limits(None if max_latency_ms is None else max_latency_ms / MILLI, max_memory_mb, max_energy_j, min_top1)
        mine = networks.own(candidates, frame) if candidates else []
        parts = [networks.rows(mine)] if mine else []
        if not only_records:
            others = offers.catalogue(license)
            parts.append(
                others[[key(m, px) not in {own.key for own in mine} for m, px in zip(others["model"], others["input_px"], strict=True)]]
            )
        elif license:
            parts.append(networks.barred())
        known = pd.concat(parts, ignore_index=True) if parts else None
        found = advice.advise(frame, platform, limits, batch_size, known, all_, backend=backend, device=device, precision=precision)
        typer.echo(
            json.dumps(found.as_dict(all_), indent=1, allow_nan=False)
            if json_
            else "\n".join(map(plain, words.text(found, all_).split("\n")))
        )
        if check and not found.candidates["meets"].any():
            raise typer.Exit(exits.BAD)
