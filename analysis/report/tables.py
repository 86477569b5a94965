"""Tables for the page and as CSV: headings, units and digits come from the metrics; every text is escaped."""

import csv
import os
from collections.abc import Callable, Collection
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.frame import spreadsheet
from analysis.frame.metrics import METRICS, significant
from analysis.frame.words import spelt
from analysis.report.headings import heading
from runner.files import atomic_path, file_name

LONG = 80  # rows beyond which the page builds the table from its compressed data
HEAT_STEPS = 10
CSV_ROWS = 4_000  # that are turned into text at a time


def csv_name(analysis: str, table: str) -> str:
    """The file of an analysis' table, inside the folder whatever its name holds."""
    name = file_name(table)
    return analysis if name.replace("-", "_") == analysis else f"{analysis}-{name}"


def text(value: Any, column: str = "") -> str:
    """A value as the reader sees it."""
    if value is None or (isinstance(value, float) and not np.isfinite(value)) or value is pd.NA or value is pd.NaT:
        return "—"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (float, np.floating)):
        value = float(value)
        if column == "p" or column.startswith("p_") or column.endswith("_p"):
            return f"{value:.2g}"
        if float(value).is_integer() and abs(value) < 1e6:
            return f"{int(value):,}"
        if abs(value) < 1e-4:
            return f"{value:.2e}"
        return significant(float(value), METRICS[column].digits if column in METRICS else 3)
    if isinstance(value, (int, np.integer)):
        return f"{int(value):,}"
    if isinstance(value, (list, tuple, set)):
        return ", ".join(text(v) for v in value)
    return spelt(str(value)) if column in ("series", "reference") else str(value)


def _whole(values: pd.Series) -> bool:
    return bool(pd.api.types.is_integer_dtype(values))


def numeric(table: pd.DataFrame) -> list[bool]:
    """Which columns hold numbers, so that they align right."""
    return [pd.api.types.is_numeric_dtype(table[c]) and not pd.api.types.is_bool_dtype(table[c]) for c in table]


def html(
    table: pd.DataFrame,
    heat: Callable[[float], int] | None = None,
    marked: Callable[[str, str], bool] | None = None,
    bars: Collection[str] = (),
) -> str:
    """A table as HTML: sortable headings, numbers right, `heat` gives a value's colour step, `marked` says which (row's label, column) gets a dagger.

    bars: columns of percentages that are drawn as well.
    """
    numbers = numeric(table)
    out = ["<table><thead><tr>"]
    for column, number in zip(table.columns, numbers, strict=True):
        kind = ' class="n"' if number else ""
        out.append(
            f'<th scope="col"{kind} data-k="{escape(str(column))}"><button>{escape(heading(str(column), _whole(table[column])))}</button></th>'
        )
    out.append("</tr></thead><tbody>")
    for row in table.itertuples(index=False):
        out.append("<tr>")
        for column, number, value in zip(table.columns, numbers, row, strict=True):
            said, css = escape(text(value, str(column))), "n" if number else ""
            if number and heat and pd.notna(value):
                css += f" h{heat(float(value))}"
            if number and marked and marked(str(row[0]), str(column)):
                said += '<abbr title="contended: others used this CPU or GPU meanwhile; left out of rankings">†</abbr>'
            if column in bars:
                said = f'{round(float(value))} <span class="meter"><i style="width:{float(value):.0f}%"></i></span>'
            out.append(f'<td class="{css}">{said}</td>' if css else f"<td>{said}</td>")
        out.append("</tr>")
    out.append("</tbody></table>")
    return "".join(out)


def heat_scale(values: pd.Series, better: str = "lower") -> Callable[[float], int]:
    """Steps 0 (best) to 9 on a logarithmic scale over all values."""
    logs = np.log(values[(values > 0) & np.isfinite(values)])
    low, span = (logs.min(), max(logs.max() - logs.min(), 1e-9)) if len(logs) else (0.0, 1.0)

    def step(value: float) -> int:
        share = (np.log(value) - low) / span if value > 0 else 0
        share = share if better == "lower" else 1 - share
        return int(np.clip(share * HEAT_STEPS, 0, HEAT_STEPS - 1))

    return step


def payload(table: pd.DataFrame) -> dict[str, Any]:
    """A long table as formatted text by column, repeated values once, for the page to build on demand."""
    columns = []
    for name, number in zip(table.columns, numeric(table), strict=True):
        said = [text(v, str(name)) for v in table[name]]
        words = list(dict.fromkeys(said))
        place = {word: i for i, word in enumerate(words)}
        columns.append(
            {"k": str(name), "h": heading(str(name), _whole(table[name])), "n": number, "d": words, "i": [place[s] for s in said]}
        )
    return {"rows": len(table), "columns": columns}


def write_csv(table: pd.DataFrame, path: Path, without: Collection[str] = ()) -> None:
    """A table as CSV, numbers in full; lists joined by spaces; texts and headings safe in a spreadsheet. Only CSV_ROWS of it are text in memory.

    without: columns that are left out; to drop them from a large table before would copy it.
    """
    places = [place for place, name in enumerate(table.columns) if name not in without]
    with atomic_path(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([spreadsheet.cell(str(table.columns[place])) for place in places])
        for begin in range(0, len(table), CSV_ROWS):
            rows = table.iloc[begin : begin + CSV_ROWS]
            writer.writerows(zip(*(_plain_column(rows.iloc[:, place]) for place in places), strict=True))
        file.flush()
        os.fsync(file.fileno())


def _plain_column(values: pd.Series) -> list[Any]:
    """A column's values as CSV has them, each word looked at once."""
    if isinstance(values.dtype, pd.StringDtype):
        codes, words = values.factorize()
        said = [*map(_plain, words), ""]  # code -1, the last, is missing
        return [said[code] for code in codes.tolist()]
    missing = values.isna()
    if missing.all():
        return [""] * len(values)
    if values.dtype.kind in "biuf":
        return values.tolist() if not missing.any() else values.astype(object).where(~missing, "").tolist()
    return [_plain(value) for value in values.tolist()]


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple, set)):
        return spreadsheet.cell(" ".join(str(_plain(v)) for v in value))
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return spreadsheet.cell(value) if isinstance(value, str) else value
