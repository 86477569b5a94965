"""`dyno predict`."""

from pathlib import Path
from typing import Annotated

import typer

from runner.program.options import RECORDS, below_results


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def predict(
        model: Annotated[str, typer.Option(metavar="NAME", help="Any torchvision or timm name, or an ONNX file.")],
        platform: Annotated[str, typer.Option(metavar="NAME", help="Platform to predict for, as records name it.")],
        batch_size: Annotated[int, typer.Option(metavar="N", min=1, help="Images per batch.")] = 1,
        input_px: Annotated[int | None, typer.Option(metavar="N", min=1, help="Input size, if not the network's own.")] = None,
        backend: Annotated[str | None, typer.Option(metavar="NAME", help="Backend, if not the one with most networks.")] = None,
        device: Annotated[str | None, typer.Option(metavar="NAME", help="Device of the platform.")] = None,
        precision: Annotated[str | None, typer.Option(metavar="NAME", help="Numeric precision.")] = None,
        source: Annotated[
            str | None, typer.Option("--from", metavar="PLATFORM", help="Learn from this platform's records and carry over to the other.")
        ] = None,
        features: Annotated[
            Path | None, typer.Option(metavar="FILE", help="Operator features (.json as a record's complexity, .csv as op_features.csv).")
        ] = None,
        records: list[str] = RECORDS,
        json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:
        """Predict latency, throughput, memory and energy of a network that was not measured, with 90 % intervals."""
        import json

        from analysis.merge import table
        from analysis.predict import estimate, graphs, show

        frame = table.merge(records or [below_results("records")]).frame
        graph = graphs.find(frame, model, input_px, features)
        report = estimate.estimate(frame, graph, platform, batch_size, source, backend=backend, device=device, precision=precision)
        typer.echo(json.dumps(report.as_dict(), indent=1, allow_nan=False, default=str) if json_ else show.text(report))
