"""The lines of a cache: one view of its parts, without rows of files that are gone, and the rows that repeat others."""

from pathlib import Path

import duckdb

from analysis.frame import entries
from analysis.merge import ingest
from analysis.merge.columns import TYPES
from analysis.merge.manifest import Manifest


def view(connection: duckdb.DuckDBPyConnection, manifest: Manifest, folder: Path) -> None:
    """Define `lines`: every row of the living files, with `place` (its part and row) and `turn` (its file's turn of being read)."""
    connection.execute("CREATE OR REPLACE TEMP TABLE turns (number INTEGER, turn INTEGER, file VARCHAR)")
    turns = [(known.number, turn, Path(path).stem) for turn, (path, known) in enumerate(manifest.files.items())]
    for begin in range(0, len(turns), 5000):
        some = turns[begin : begin + 5000]
        connection.execute(f"INSERT INTO turns VALUES {', '.join('(?, ?, ?)' for _ in some)}", [value for row in some for value in row])
    parts = ", ".join(ingest.text(str(folder / name)) for name in manifest.parts)
    columns = ", ".join([f'NULL::{"VARCHAR" if kind == "JSON" else kind} AS "{name}"' for name, kind in TYPES.items() if name != "file"])
    # an empty relation with every column: a set of which no file has some column is read like any other
    empty = f"SELECT NULL::INTEGER AS number, NULL::UBIGINT AS key, NULL::VARCHAR AS kind, NULL::VARCHAR AS id, {columns}, NULL::VARCHAR AS rest, NULL::VARCHAR AS undecided, NULL::VARCHAR AS filename, NULL::BIGINT AS file_row_number LIMIT 0"
    scan = (
        f"({empty}) UNION ALL BY NAME FROM read_parquet([{parts}], union_by_name = true, filename = true, file_row_number = true)"
        if parts
        else empty
    )
    living = "" if not manifest.dead else "WHERE number IN (SELECT number FROM turns)"
    connection.execute(f"CREATE OR REPLACE TEMP VIEW lines AS SELECT * FROM ({scan}) {living}")


def mask(connection: duckdb.DuckDBPyConnection, manifest: Manifest, folder: Path, work: Path) -> None:
    """Find the rows that repeat others: by the line's id, then by a fleet's task."""
    view(connection, manifest, folder)
    connection.execute("CREATE OR REPLACE TEMP TABLE masked (filename VARCHAR, file_row_number BIGINT, number INTEGER, why VARCHAR)")
    # eight bytes per line tell which ids may be repeated; those alone are compared
    connection.execute("CREATE OR REPLACE TEMP TABLE again AS SELECT key FROM lines WHERE key IS NOT NULL GROUP BY key HAVING count(*) > 1")
    if connection.execute("SELECT count(*) FROM again").fetchone()[0]:  # type: ignore[index]
        connection.execute(
            f"""INSERT INTO masked SELECT filename, file_row_number, number, {ingest.text(entries.REPEATED)} FROM (
                SELECT filename, file_row_number, lines.number, row_number() OVER (PARTITION BY kind, id ORDER BY turn, filename, file_row_number) AS nth
                FROM lines JOIN turns USING (number) WHERE key IN (SELECT key FROM again)) WHERE nth > 1"""
        )
    connection.execute(
        f"""INSERT INTO masked SELECT filename, file_row_number, number, {ingest.text(entries.REPEATED_TASK)} FROM (
            SELECT filename, file_row_number, lines.number, row_number() OVER (
                PARTITION BY {", ".join(entries.TASK_CELL)} ORDER BY (status IS DISTINCT FROM 'ok' OR ended IS NOT DISTINCT FROM 'interrupted'), turn, filename, file_row_number) AS nth
            FROM lines JOIN turns USING (number)
            WHERE task IS NOT NULL AND (filename, file_row_number) NOT IN (SELECT (filename, file_row_number) FROM masked)) WHERE nth > 1"""
    )
    partial = work / "masked.parquet"
    connection.execute(f"COPY (SELECT filename, file_row_number FROM masked) TO {ingest.text(str(partial))} (FORMAT parquet)")
    manifest.repeats = connection.execute("SELECT number, why, count(*) FROM masked GROUP BY ALL ORDER BY ALL").fetchall()
    partial.replace(folder / "masked.parquet")
