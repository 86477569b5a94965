"""`dyno report`."""

from pathlib import Path
from typing import Annotated

import typer

from runner.program.options import RECORDS, RESULTS, below_results
from runner.program.terminal import warn

MOST_VERDICTS = 8  # devices whose answer the terminal says, too


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def report(
        results: str = RESULTS,
        records: list[str] = RECORDS,
        out: Annotated[
            Path | None, typer.Option(metavar="FOLDER", help="Folder to write to. [default: RESULTS/report]", show_default=False)
        ] = None,
        figures: Annotated[
            bool | None,
            typer.Option(
                "--figures/--no-figures",
                help="Also write every figure as SVG, PDF and PNG, and figure 1 as a GIF. [default: for up to 20 networks]",
                show_default=False,
            ),
        ] = None,
        gif: Annotated[
            bool | None,
            typer.Option("--gif/--no-gif", help="Write the GIF, whatever --figures says. [default: as --figures]", show_default=False),
        ] = None,
        price: Annotated[
            list[str] | None,
            typer.Option(
                metavar="PLATFORM=N",
                help="Money per hour of a platform (* for all others), for the cost of 1,000 images; may be repeated.",
            ),
        ] = None,
        electricity: Annotated[
            float | None, typer.Option(min=0, metavar="N", help="Money per kWh, in the same currency, where energy was measured.")
        ] = None,
        methods: Annotated[
            bool, typer.Option("--methods/--no-methods", help="Also show the statistics (tests, ranks, clusters) and their figures.")
        ] = False,
        watch: Annotated[
            bool,
            typer.Option(
                "--watch",
                help="Rebuild the page whenever records come in, until Ctrl-C; the open page reloads. Figures are written at the end.",
            ),
        ] = False,
        paper: Annotated[
            bool, typer.Option("--paper", help="Also write OUT/paper: figures at column width, one table as LaTeX and CSV, a citation.")
        ] = False,
        license: Annotated[
            str | None, typer.Option(metavar="NAME", help="commercial: leave out weights whose licence forbids it.", show_default=False)
        ] = None,
        timings: Annotated[bool, typer.Option(help="Print how many CPU seconds each part took.")] = False,
    ) -> None:
        """Merge record files, analyse them and write index.html, figures and tables."""
        import logging
        from dataclasses import replace

        logging.getLogger("matplotlib").setLevel(logging.CRITICAL)  # a cache that can't be written is a traceback to it, and nothing to us
        from analysis.compare import noise
        from analysis.errors import FrameError
        from analysis.frame.words import plural
        from analysis.merge import table
        from analysis.predict import path as searches
        from analysis.report import report as writer
        from analysis.report import watch as watching
        from analysis.stats import cost

        if license not in (None, "commercial"):
            raise typer.BadParameter(f"{license}: give commercial, or leave it out", param_hint="--license")
        paths = records or [below_results("records", results)]
        local = [Path(path) for path in paths if not path.startswith("s3://")]
        folder = out or Path(below_results("report", results))

        def build(files: bool | None, stamp: str = "") -> writer.Written:
            merged = replace(table.merge(paths), floors=noise.beside(local))
            prices = cost.prices(price or [], electricity, set(merged.frame["platform"]))
            live = bool(stamp)
            searched = searches.table(local[0].parent if records and local else Path(results))
            return writer.write(
                merged, folder, files, False if live else gif, prices, methods and not live, paper and not live, stamp, searched, license
            )

        if watch:
            if len(local) < len(paths):
                raise typer.BadParameter("watches files and folders of this machine, not s3:// buckets", param_hint="--watch")
            try:
                typer.echo(f"{folder / 'index.html'}: rebuilt as records come in; Ctrl-C ends with the whole report")
                for number in watching.changes(local):
                    try:
                        typer.echo(f"  {build(False, str(number)).summary}")
                    except FrameError as error:  # the first line is not yet written
                        typer.echo(f"  {error}")
                        continue
                    watching.stamp(folder, str(number))
            except KeyboardInterrupt:
                typer.echo("")
        written = build(figures)
        if watch:
            watching.stamp(folder, "done")
        warn(written.warnings)
        if timings:
            for name, seconds in sorted(written.seconds.items(), key=lambda item: -item[1]):
                typer.echo(f"{seconds:7.2f} s  {name}")
        for line in written.verdicts[:MOST_VERDICTS]:
            typer.echo(line)
        if len(written.verdicts) > MOST_VERDICTS:
            typer.echo(f"and {plural(len(written.verdicts) - MOST_VERDICTS, 'more device')} on the page")
        typer.echo(f"{written.page}  ({written.summary})")
