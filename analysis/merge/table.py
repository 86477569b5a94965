"""The merged table: counted and aggregated by DuckDB, and handed to pandas for what is drawn."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from analysis.errors import CantWrite, FrameError
from analysis.frame import entries, finish, measured_accuracy, spreadsheet
from analysis.frame import frame as frames
from analysis.frame.operators import Profile
from analysis.merge import cache, ingest, lines, sources
from analysis.merge.columns import NESTED, NUMBERS, TEXT, TYPES, WHOLE, unpacked
from runner.files import atomic_path

SMALL_BYTES = 32 * 2**20  # of record files that are read faster than a cache is made
MOST_ROWS = 2_000_000  # that a report takes
MOST_WORDS = 4  # rows per different word from which a column is read as an enumeration
ACCURACY_OF = ("file", "platform", "device", "backend", "precision", "model", "input_px", "weights", "weights_tag", "source")


@dataclass(frozen=True)
class Table:
    """An open merge: `rows` is a view with a row per record (columns of the frame; what nests is JSON text), `environments` one of facts."""

    connection: duckdb.DuckDBPyConnection
    problems: Counter
    files: tuple[str, ...]

    def __len__(self) -> int:
        return int(self.connection.execute("SELECT count(*) FROM rows").fetchone()[0])  # type: ignore[index]

    def close(self) -> None:
        """Give DuckDB's memory back."""
        self.connection.close()


def open_table(paths: Iterable[str | Path], folder: Path | None = None) -> Table:
    """Merge files, folders and s3:// buckets, reading only what the cache does not hold; FrameError where there is no record."""
    paths = list(paths)
    folder = folder or cache.default_folder(paths)
    manifest = cache.update(paths, folder)
    connection = cache.connect(folder)
    lines.view(connection, manifest, folder)
    masked = f"read_parquet({ingest.text(str(folder / 'masked.parquet'))})"
    unique = f"WHERE (filename, file_row_number) NOT IN (FROM {masked})" if manifest.repeats else ""
    connection.execute(f"CREATE TEMP VIEW kept AS SELECT * FROM lines {unique}")
    connection.execute(
        """CREATE TEMP VIEW rows AS SELECT kept.* EXCLUDE (key, id, undecided, filename, file_row_number, number), turns.file, turns.turn,
            kept.filename AS part, kept.file_row_number AS place
            FROM kept JOIN turns USING (number) WHERE kind IN ('cell', 'imported')"""
    )
    connection.execute("CREATE TEMP VIEW environments AS SELECT id AS environment, rest AS facts FROM kept WHERE kind = 'environment'")
    table = Table(connection, manifest.problems(), tuple(Path(path).name for path in manifest.files))
    if not connection.execute("SELECT 1 FROM kept WHERE kind IN ('cell', 'imported') LIMIT 1").fetchone():
        table.close()
        raise frames.nothing(paths, len(table.files), table.problems)
    return table


def merge(paths: Iterable[str | Path], folder: Path | None = None) -> frames.Merged:
    """The frame of any number of record files: small sets are read as they are, larger ones through the cache; the frame is the same."""
    paths = list(paths)
    buckets = any(str(path).startswith(sources.S3) for path in paths)
    if folder is None and not buckets and sum(file.stat().st_size for file in entries.record_files(paths)) <= SMALL_BYTES:
        return frames.merge(paths)
    table = open_table(paths, folder)
    try:
        return merged(table)
    finally:
        table.close()


def merged(table: Table) -> frames.Merged:
    """The whole table as the frame that analyses see."""
    if (count := len(table)) > MOST_ROWS:
        raise FrameError(
            f"{count:,} records are more than a report can show ({MOST_ROWS:,}); name fewer files with --records, or use `export-table`"
        )
    environments = {name: json.loads(facts) for name, facts in table.connection.execute("FROM environments").fetchall()}
    frame = _frame(table)
    found = measured_accuracy.measured(
        (Path(file), json.loads(record))
        for file, record in table.connection.execute(
            "SELECT file || '.jsonl', rest FROM kept JOIN turns USING (number) WHERE kind = 'accuracy' ORDER BY turn, filename, file_row_number"
        ).fetchall()
    )
    if found:
        frame = _with_accuracies(frame, found)
    profiles = table.connection.execute(
        "SELECT rest FROM kept JOIN turns USING (number) WHERE kind = 'profile' ORDER BY turn, filename, file_row_number"
    )
    told = tuple(Profile(**json.loads(text)) for (text,) in profiles.fetchall())
    return frames.Merged(finish.finish(frame, environments), environments, table.problems, table.files, told)


def _frame(table: Table) -> pd.DataFrame:
    """The rows, column by column, in the order in which the files and lines stand."""
    names = [name for name in [*TYPES, "rest"] if name != "file"]
    returning = (*TEXT, *NESTED)  # names of backends, operator groups of a network: many rows have the same
    counts = ", ".join(f'count("{name}"), {f"""approx_count_distinct("{name}")""" if name in returning else 0}' for name in names)
    found = table.connection.execute(f"SELECT {counts} FROM rows").fetchone() or ()
    picked = [
        _shared(table.connection, name) if name in returning and MOST_WORDS * distinct < count else f'"{name}"'
        for name, count, distinct in zip(names, found[::2], found[1::2], strict=True)
        if count
    ]
    arrays = table.connection.execute(f"SELECT {', '.join([*picked, 'file', 'kind'])} FROM rows ORDER BY turn, part, place").fetchnumpy()
    imported = arrays.pop("kind") == "imported"
    columns: dict[str, Any] = {}
    for name, array in arrays.items():
        missing = np.ma.getmaskarray(array)
        if array.dtype == object:  # an enumeration's nulls come as NaN, unmasked
            missing = missing | pd.isna(np.ma.getdata(array))
        if name in NUMBERS:
            columns[name] = _numbers(name, np.ma.filled(array.astype(float), np.nan))
        elif name in TEXT:
            columns[name] = _words(array, missing)
        elif name == "contended":
            columns[name] = np.ma.filled(array, False).astype(bool)
        elif name in NESTED:
            columns[name] = _nested(name, array, missing)
    for name, absent in (("quality", ()), ("replicate_medians_s", ()), ("replicate_rounds", ())):
        values = columns.get(name, [None] * len(imported))
        columns[name] = [absent if value is None else value for value in values]
    rest = arrays.pop("rest", None)
    arrays.clear()
    frame = pd.DataFrame(columns)
    if "contended" not in frame:
        frame["contended"] = False
    return _with_rest(frame, rest) if rest is not None else frame


def _shared(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    """SQL of a column of words that return: as an enumeration each is one object in Python however many rows have it, from the start."""
    connection.execute(
        f"""DROP TYPE IF EXISTS "words of {name}"; CREATE TYPE "words of {name}" AS ENUM (SELECT DISTINCT "{name}"::VARCHAR FROM rows WHERE "{name}" IS NOT NULL)"""
    )
    return f"""CAST("{name}"::VARCHAR AS "words of {name}") AS "{name}\""""


def _numbers(name: str, values: np.ndarray) -> np.ndarray:
    whole = name in WHOLE and np.isfinite(values).all() and (values == np.floor(values)).all()
    return values.astype(np.int64) if whole else values


def _words(array: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Texts, each of which is in memory once however many rows have it."""
    codes, unique = _coded(array, missing)
    return np.array([*unique, None], dtype=object)[codes]  # code -1, the last, is None


def _nested(name: str, array: np.ndarray, missing: np.ndarray) -> list[Any]:
    """Equal texts become one object: the operator groups of a network are shared by all of its rows."""
    codes, unique = _coded(array, missing)
    known = [*(unpacked(name, text) for text in unique), None]
    return [known[code] for code in codes.tolist()]


def _coded(array: np.ndarray, missing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(code of each row, the different texts); -1 is missing. An enumeration comes as a pandas Categorical, which has no mask."""
    values = np.ma.getdata(array).astype(object)
    values[missing] = None
    return pd.factorize(values)


def _with_rest(frame: pd.DataFrame, texts: np.ndarray) -> pd.DataFrame:
    """Columns beyond the frame's own, and values of another type than their column's."""
    rows = [json.loads(text) if not absent else {} for text, absent in zip(np.ma.getdata(texts), np.ma.getmaskarray(texts), strict=True)]
    for name in dict.fromkeys(name for row in rows for name in row):
        before = frame[name] if name in frame else [None] * len(frame)
        frame[name] = pd.Series([row.get(name, old) for row, old in zip(rows, before, strict=True)], index=frame.index)
    return frame


def _with_accuracies(frame: pd.DataFrame, found: dict[measured_accuracy.Key, dict[str, Any]]) -> pd.DataFrame:
    """What was measured of each row's network; asked once per kind of row."""
    kinds = frame.reindex(columns=list(ACCURACY_OF)).astype(object)
    codes, unique = pd.factorize(pd.MultiIndex.from_frame(kinds.astype(str)))
    first = pd.Series(range(len(frame))).groupby(codes).first()
    del unique
    answers = [measured_accuracy.for_row(kinds.iloc[position].to_dict(), found) for position in first]
    for name in dict.fromkeys(name for answer in answers for name in answer):
        before = frame[name] if name in frame else [None] * len(frame)
        values = [answers[code].get(name, old) for code, old in zip(codes, before, strict=True)]
        frame[name] = pd.Series(values, index=frame.index)
    return frame


def table_format(target: Path) -> str:
    """How DuckDB writes a file of this name; FrameError where its ending is unknown."""
    kind = {".parquet": "FORMAT parquet, COMPRESSION zstd", ".csv": "FORMAT csv, HEADER"}.get(target.suffix.lower())
    if kind is None:
        found = f"the ending {target.suffix} is unknown" if target.suffix else "has no ending"
        raise FrameError(f"{target}: {found}; end the name in .parquet or .csv")
    return kind


def export(table: Table, target: Path) -> int:
    """Write all rows, each with its environment's facts as JSON, to a Parquet (or .csv) file; returns their number."""
    kind = table_format(target)
    guarded = TEXT if target.suffix.lower() == ".csv" else ()  # people open it in a spreadsheet
    columns = ", ".join(_harmless(name) if name in guarded else f'"{name}"' for name in [*TYPES, "rest"])
    query = f"SELECT {columns}, facts AS environment_facts FROM rows LEFT JOIN environments USING (environment)"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as partial:
            table.connection.execute(f"COPY ({query}) TO {ingest.text(partial)} ({kind})")
    except (duckdb.Error, OSError) as error:
        raise CantWrite(f"{target}: can't be written: {ingest.said(error)}")
    return len(table)


def _harmless(column: str) -> str:
    """A column of text as `spreadsheet.cell` writes it, in SQL."""
    return f"""CASE WHEN regexp_matches("{column}", {ingest.text(spreadsheet.PATTERN)}) THEN chr(39) || "{column}" ELSE "{column}" END AS "{column}\""""
