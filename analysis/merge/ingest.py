"""SQL that turns record files into a part of the cache.

Lines of kind `imported` are most of what is read at scale, and simple: DuckDB parses them, if they are what it takes them for. A line is
decided where every field of its row has a column, has that column's type and is not null; all others keep their text in `undecided`
and go through the door (analysis/merge/door.py), so that what counts as a record is said in one place.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from analysis.merge.columns import TYPES
from runner.records.check import IMPORTED_LIMITS, IMPORTED_TEXT, IMPORTED_WHOLE, LARGEST
from runner.records.schema import SCHEMA_VERSION

REQUIRED = (*IMPORTED_TEXT, "latency_s", "batch_size")
LONGEST_LINE = 2**22  # of what the door has read
LONGEST_IMPORTED = 2**18  # beyond, the door reads the file; it sizes the buffers
ROWS = 20_480  # of a row group: what is held in memory per thread
PEEK = 2**14  # bytes at a file's begin and end that tell which columns it has


@dataclass(frozen=True)
class Peek:
    """What a look at a file tells: whether its lines are of kind `imported`, and the columns that they have."""

    imported: bool
    columns: frozenset[str]


def peek(path: str) -> Peek:
    """Looks at a file's first and last lines alone."""
    with open(path, "rb") as file:
        head = file.read(PEEK).split(b"\n")
        size = file.seek(0, 2)
        file.seek(max(0, size - PEEK))
        tail = file.read(PEEK).split(b"\n")
    columns: set[str] = set()
    kinds = []
    for line in [*head[:3], *tail[-3:]]:
        try:
            record = json.loads(line)
            kinds.append(record["kind"])
            if record["kind"] == "imported":
                columns |= set(record["row"])
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    known = columns & set(TYPES) - {"contended"}
    return Peek("imported" in kinds and set(REQUIRED) <= known, frozenset(known))


def text(value: str) -> str:
    """A literal of SQL."""
    return "'" + value.replace("'", "''") + "'"


def said(error: duckdb.Error | OSError) -> str:
    """Why a file can't be written, as the system says it; DuckDB puts the file's temporary name before it."""
    return getattr(error, "strerror", None) or str(error).splitlines()[0].rpartition('": ')[2]


def imported(connection: duckdb.DuckDBPyConnection, files: Sequence[tuple[int, str]], columns: Sequence[str], part: str) -> None:
    """Write the part of these (number, path); raises duckdb.Error where a file is no text of lines."""
    # a number is taken as it is written and cast here: json_transform's own cast would take "0.5", a text, for one
    kinds: dict[str, Any] = {name: {"JSON": ["VARCHAR"], "DOUBLE": "JSON"}.get(TYPES[name], TYPES[name]) for name in columns}
    shape = json.dumps({"schema_version": "INTEGER", "kind": "VARCHAR", "id": "VARCHAR", "row": kinds})
    numbers = [name for name in columns if TYPES[name] == "DOUBLE"]
    casts = ", ".join(f'TRY_CAST("{name}"::VARCHAR AS DOUBLE) AS "{name}"' for name in numbers)
    within = " AND ".join(f'coalesce("{name}" BETWEEN 0 AND {IMPORTED_LIMITS.get(name, LARGEST)}, TRUE)' for name in numbers)
    within += "".join(f' AND coalesce("{name}" = floor("{name}"), TRUE)' for name in numbers if name in IMPORTED_WHOLE)
    present = " + ".join(f'("{name}" IS NOT NULL)::INT' for name in columns)
    picked = ", ".join(f'{_column(name)} AS "{name}"' for name in columns if name != "file")
    words = [f"$.row.{name}" for name in IMPORTED_TEXT]
    connection.execute("CREATE OR REPLACE TEMP TABLE reading (number INTEGER, path VARCHAR)")
    connection.executemany("INSERT INTO reading VALUES (?, ?)", list(files))
    paths = ", ".join(text(path) for _, path in files)
    # `unnest` is a step of its own: written as x.row.name, each column would parse its line again
    connection.execute(
        f"""COPY (
            SELECT number, CASE WHEN decided THEN hash('imported:' || id) END AS key, CASE WHEN decided THEN kind END AS kind,
                id, {picked}, CASE WHEN NOT decided THEN line END AS undecided
            FROM (SELECT *, coalesce(schema_version BETWEEN 1 AND {SCHEMA_VERSION} AND kind = 'imported' AND id IS NOT NULL
                    AND latency_s > 0 AND batch_size > 0 AND {within} AND {present} = keys
                    AND words = {["VARCHAR"] * len(words)}, FALSE) AS decided
                FROM (SELECT * REPLACE ({casts})
                    FROM (SELECT filename, line, keys, words, schema_version, kind, id, unnest("row")
                        FROM (SELECT filename, line, len(json_keys(known, '$.row')) AS keys, json_type(known, {words}) AS words,
                                unnest(json_transform(known, {text(shape)}))
                            FROM (SELECT filename, line, CASE WHEN json_valid(line) THEN line END AS known
                                FROM read_csv([{paths}], columns = {{'line': 'VARCHAR'}}, delim = '\x1f', quote = '', escape = '', header = false,
                                    auto_detect = false, new_line = '\\n', filename = true, max_line_size = {LONGEST_IMPORTED})
                                WHERE line IS NOT NULL)))))
            JOIN reading ON path = filename
        ) TO {text(part)} (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE {ROWS}, WRITE_BLOOM_FILTER false)"""
    )


def _column(name: str) -> str:
    return f'to_json("{name}")::VARCHAR' if TYPES[name] == "JSON" else f'"{name}"'


def spool(connection: duckdb.DuckDBPyConnection, files: Sequence[str], part: str) -> None:
    """Write the part of what the door has read."""
    kinds = {name: "VARCHAR" if kind == "JSON" else kind for name, kind in TYPES.items() if name != "file"}  # a row's file is its source's
    row = ", ".join([f'"{name}" {kind}' for name, kind in kinds.items()] + ["rest VARCHAR"])
    paths = ", ".join(map(text, files))
    names = ", ".join(f's."row"."{name}" AS "{name}"' for name in [*kinds, "rest"])
    connection.execute(
        f"""COPY (SELECT number, hash(kind || ':' || id) AS key, kind, id, {names} FROM
            read_json([{paths}], format = 'newline_delimited', maximum_object_size = {LONGEST_LINE},
                columns = {{number: 'INTEGER', kind: 'VARCHAR', id: 'VARCHAR', "row": {text("STRUCT(" + row + ")")}}}) AS s
        ) TO {text(part)} (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE {ROWS}, WRITE_BLOOM_FILTER false)"""
    )
