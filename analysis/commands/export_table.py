"""`export-table`: the merged table for other tools."""

from pathlib import Path
from typing import Annotated

import typer

from analysis.frame.words import plural
from runner.program.options import RECORDS, below_results
from runner.program.terminal import warn


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("export-table")
    def export_table(
        out: Annotated[Path, typer.Argument(metavar="OUT", help="File to write: .parquet or .csv.")],
        records: list[str] = RECORDS,
    ) -> None:
        """Write the merged records, one row each, as a table for pandas, DuckDB, R or a spreadsheet."""
        from analysis.merge import table

        table.table_format(out)  # before many records are merged for nothing
        opened = table.open_table(records or [below_results("records")])
        try:
            count = table.export(opened, out)
            for (name, what), lines in sorted(opened.problems.items()):
                warn([f"{plural(lines, 'line')} of {name} {what}; set aside"])
        finally:
            opened.close()
        typer.echo(f"{out}: {count:,} records, {out.stat().st_size / 1e6:.1f} MB")
