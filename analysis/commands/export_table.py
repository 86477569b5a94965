"""`export-table`: the merged table for other tools."""

from pathlib import Path
from typing import Annotated

import typer

from analysis.commands.report import DEFAULT


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("export-table")
    def export_table(
        out: Annotated[Path, typer.Argument(help="File to write: .parquet or .csv.")],
        records: Annotated[
            list[str] | None, typer.Option(help="Record files, folders and s3:// buckets; may be given often.", show_default=str(DEFAULT))
        ] = None,
    ) -> None:
        """Write the merged records, one row each, as a table for pandas, DuckDB, R or a spreadsheet."""
        from analysis.merge import table

        opened = table.open_table(records or [DEFAULT])
        try:
            count = table.export(opened, out)
            for (name, what), lines in sorted(opened.problems.items()):
                typer.echo(f"warning: {lines:,} line(s) of {name} {what}; set aside", err=True)
        finally:
            opened.close()
        typer.echo(f"{out}: {count:,} records, {out.stat().st_size / 1e6:.1f} MB")
