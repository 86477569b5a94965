"""Any CSV with a column map: `--map latency_ms=time --map model=net --set platform=my-board`."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.errors import ImporterError
from analysis.frame.columns import NUMBERS
from analysis.importers import base
from analysis.importers._columns import COLUMNS, SHARES, Column
from analysis.importers._numbers import decimal_mark, number

LACKS = "all that has no column in the table; samples and replicates"
FREE = (
    "model",
    "platform",
    "device",
    "backend",
    "precision",
    "scenario",
    "family",
    "lacks",
    "accuracy_data",
    "citation",
    "accuracy_source",
)
ABSENT = {"", "-", "--", "–", "—", "n/a", "na", "nan", "none", "null", "?"}  # words for a value that is not there, in lower case
BATCH = re.compile(r"(?:b|bs|batch|batch[ _-]?size)?[ _=:-]?([0-9]{1,6})", re.IGNORECASE)
LARGEST_SHARE = 0.1  # below it, Top-1 of 0 to 1 may well be percent: networks that guess
SQUARE = re.compile(r"(?:[134] ?[x×*] ?)?([0-9]{1,5}) ?[x×*] ?\1(?: ?px)?")


def read(path: str | Path, columns: Mapping[str, str] | None = None, wide: str = "", **constants: str) -> pd.DataFrame:
    """Rows of a CSV. columns: {frame's column: table's column}; a table's column that bears a frame's name needs no entry.

    Units by name, see COLUMNS; a cell's own unit (`12.5 ms`) goes before. constants: the same value in every row. wide: what stands below
    headings that are batch sizes (`latency_ms`, `image_ms`, `throughput`). Needs a model, and a latency or a throughput.
    """
    rows = base.each(path, ("*.csv", "*.tsv"), lambda file: _rows(file, columns or {}, wide, constants))
    return base.complete(rows, path, "table", LACKS)


def _rows(path: Path, columns: Mapping[str, str], wide: str, constants: Mapping[str, str]) -> list[dict[str, Any]]:
    table = base.csv(path)
    numbers = dict.fromkeys(NUMBERS) | COLUMNS
    allowed = {*FREE, *numbers}
    wanted = {name: name for name in table.columns if name in allowed} | dict(columns)
    unknown = [name for name in (*wanted, *constants) if name not in allowed]
    if unknown:
        raise ImporterError(f"{path}: {unknown[0]} is not a column of the frame; choose from {', '.join(sorted(allowed))}")
    base.require(table, wanted.values(), path, "map columns that it has")
    if "model" not in wanted and "model" not in constants:
        found = ", ".join(map(str, table.columns[:8]))
        raise ImporterError(f"{path}: which column names the network? say it with --map model=COLUMN (found {found})")
    if table.empty:
        raise ImporterError(f"{path}: there is a heading, and no row below it")
    if wide:
        table, wanted = _long(table, wanted, wide, path)
    mine = {name: column for name, column in wanted.items() if name in numbers}
    mark = decimal_mark((cell for column in mine.values() for cell in table[column] if _is_there(cell)), path)
    read_columns = {name: _numbers(table[column], name, mark, path) for name, column in mine.items()}
    rows = []
    for index, line in enumerate(table.to_dict("records")):
        row: dict[str, Any] = {"platform": base.name_of(path), "device": base.UNKNOWN, "backend": base.UNKNOWN, "batch_size": 1}
        row |= _constants(constants, numbers, path)
        row |= {name: str(line[column]).strip() for name, column in wanted.items() if name in FREE and _is_there(line[column])}
        for name, values in read_columns.items():
            target = COLUMNS[name].target if name in COLUMNS else name
            if not math.isnan(values[index]) or target not in row:
                row[target] = values[index]
        batch, image_s, rate = (base.number(row.get(name)) for name in ("batch_size", "image_s", "throughput"))
        if not base.number(row.get("latency_s")) > 0:
            row["latency_s"] = image_s * batch if image_s > 0 else batch / rate if rate > 0 else math.nan
        row.pop("image_s", None)
        if row.get("model"):
            rows.append(row)
    if len(rows) < len(table):
        base.note(path, len(table) - len(rows), "row", "left out, with no network named")
    if not any(base.number(row["latency_s"]) > 0 for row in rows):
        sizes = [name for name in table.columns if BATCH.fullmatch(name)]
        hint = f"; if {', '.join(sizes[:3])} are batch sizes, say what stands below them: --wide latency_ms" if sizes else ""
        raise ImporterError(f"{path}: no row has a latency and a batch size{hint}")
    return rows


def _is_there(cell: object) -> bool:
    return str(cell).strip().lower() not in ABSENT


def _constants(constants: Mapping[str, str], numbers: Mapping[str, object], path: str | Path) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in constants.items():
        if not value.strip():
            raise ImporterError(f"{path}: --set {name}= is empty; give a value, or leave it out")
        if name not in numbers:
            row[name] = value.strip()
            continue
        column = COLUMNS.get(name) or Column(name, 1.0)
        row[column.target] = number(value, ".", column.units, column.factor)
        if math.isnan(row[column.target]) or row[column.target] < 0:
            raise ImporterError(f"{path}: --set {name}={value} is not a valid number for this column")
    return row


def _numbers(cells: pd.Series, name: str, mark: str, path: str | Path) -> list[float]:
    """A column in the frame's unit; what can't be understood, is negative or is no share of 100 is NaN, and counted."""
    column = COLUMNS.get(name) or Column(name, 1.0)
    if name == "input_px":
        cells = cells.map(lambda cell: match[1] if (match := SQUARE.fullmatch(str(cell).strip())) else cell)
    values = [number(cell, mark, column.units, column.factor) for cell in cells]
    present = [value for value in values if not math.isnan(value)]
    if column.target in SHARES and column.factor == 1.0 and present and LARGEST_SHARE < max(present) <= 1 and min(present) >= 0:
        base.note(path, len(present), "value", f"of {name} between 0 and 1, read as shares of 1, not as percent")
        values = [100 * value for value in values]
    most = 100.0 if column.target in SHARES else math.inf
    percent = column.target in SHARES and column.factor == 1.0 and max(present, default=0) > 1
    wrong: dict[str, list[object]] = defaultdict(list)
    for index, (cell, value) in enumerate(zip(cells, values, strict=True)):
        fault = "unreadable" if math.isnan(value) else "negative" if value < 0 else "over 100 %" if value > most else None
        if percent and LARGEST_SHARE < value < 1 and "%" not in str(cell):
            fault = "below 1 beside others in percent: a share?"
        if fault and _is_there(cell):
            wrong[fault].append(cell)
            values[index] = math.nan
    if column.target in SHARES and present and all(math.isnan(value) for value in values):
        raise ImporterError(f"{path}: no value of {name} lies within 0 and 100 %: {next(iter(wrong.values()))[0]}; give it in percent")
    for fault, found in wrong.items():
        base.note(path, len(found), "value", f"of {name} left out, {fault}", found)
    return values


def _long(table: pd.DataFrame, wanted: dict[str, str], quantity: str, path: str | Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """One row per network and batch size, of a table that has a column per batch size."""
    if quantity not in COLUMNS or COLUMNS[quantity].target not in ("latency_s", "image_s", "throughput"):
        raise ImporterError(
            f"{path}: --wide {quantity}: what do the columns hold? one of latency_ms, latency_s, image_ms, image_s, throughput"
        )
    found = {name: match[1] for name in table.columns if (match := BATCH.fullmatch(name)) and name not in wanted.values()}
    twice = [size for size, count in Counter(map(int, found.values())).items() if count > 1]
    if not found or twice:
        what = f"two columns are of batch size {twice[0]}" if twice else "no heading is a batch size such as 8, b8 or batch_8"
        raise ImporterError(f"{path}: {what} (found {', '.join(table.columns[:8])})")
    kept = [name for name in table.columns if name not in found]
    long = pd.concat([table[kept].assign(**{"\0batch": size, "\0value": table[name]}) for name, size in found.items()], ignore_index=True)
    present = long["\0value"].map(_is_there)
    return long[present].reset_index(drop=True), wanted | {"batch_size": "\0batch", quantity: "\0value"}
