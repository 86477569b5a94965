"""How a comparison is printed: a table for people, JSON for programs, Markdown for a pull request."""

import json
import math
import re
from html import escape
from typing import Any

import pandas as pd

from analysis.compare.compare import VERDICTS, counts
from analysis.compare.noise import ALPHA, Floor
from analysis.frame.frame import CELL
from analysis.frame.metrics import MILLI, significant

SHOWN = ("verdict", "change", "interval", "a_ms", "b_ms", "reason")


def as_table(table: pd.DataFrame) -> str:
    """Columns of text; what the cells have in common is said once, above them."""
    varying, common = _coordinates(table)
    header = [*varying, *SHOWN]
    rows = [[plain(word) for word in [str(row[name]) for name in varying] + _shown(row)] for _, row in _ordered(table)]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in [header, *rows]]
    above = [plain(f"all cells: {common}")] if common else []
    return "\n".join([*above, *lines, "", *map(plain, _notes(table))]) + "\n"


def as_markdown(table: pd.DataFrame) -> str:
    varying, common = _coordinates(table)
    header = [*varying, *(name.replace("_ms", " (ms)") for name in SHOWN)]
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    for _, row in _ordered(table):
        words = [str(row[name]) for name in varying] + _shown(row)
        lines.append("| " + " | ".join(map(marked_down, words)) + " |")
    above = [f"All cells: {marked_down(common)}.", ""] if common else []
    return "\n".join([*above, *lines, "", *(f"* {marked_down(note)}" for note in _notes(table))]) + "\n"


def plain(text: str) -> str:
    """A text from a record on one line of a terminal: nothing in it moves the cursor or changes colours."""
    return "".join(char if char.isprintable() else " " for char in text)


def marked_down(text: str) -> str:
    """The same as one line of Markdown that shows it as it is: no HTML, no link, no picture, no column of its own."""
    return re.sub(r"([\\|`*\[\]])", r"\\\1", escape(plain(text), quote=False))


def as_json(table: pd.DataFrame) -> str:
    cells = [{name: _plain(value) for name, value in row.items()} for _, row in table.iterrows()]
    return json.dumps({"verdicts": counts(table), **table.attrs, "cells": cells}, indent=1, allow_nan=False) + "\n"


WRITERS = {"table": as_table, "markdown": as_markdown, "json": as_json}


def floor_text(floor: Floor) -> str:
    """The noise floor in words."""
    lines = [
        f"{floor.host}: {floor.cells} cells, measured {floor.sweeps} times",
        f"  between processes of a sweep    {100 * floor.process_sd:.2f} %",
        f"  between sweeps, beyond that     {100 * floor.sweep_sd:.2f} % of a cell, {100 * floor.shared_sd:.2f} % of all together",
        f"  allowed for all together        {100 * math.expm1(floor.between.allowance(ALPHA)):.1f} % (from {floor.sweeps} sweeps; more of them narrow it)",
        f"  last sweep against the first    {100 * math.expm1(floor.shift):+.2f} % (median)",
        f"  95 % of cells differ by less    {100 * math.expm1(floor.largest):.2f} %",
        f"  smallest change to be found     {100 * floor.smallest_effect:.1f} % (power 80 %, one cell)",
        f"  verdicts that would be false    {floor.false_verdicts} of {floor.cells}",
    ]
    return "\n".join(lines + [_unlike(item) for item in floor.unlike]) + "\n"


def _coordinates(table: pd.DataFrame) -> tuple[list[str], str]:
    """(coordinates that vary, the others as text)."""
    varying = [name for name in CELL if table[name].nunique() > 1] or ["model"]
    return varying, ", ".join(f"{name} {table[name].iloc[0]}" for name in CELL if name not in varying)


def _ordered(table: pd.DataFrame) -> Any:
    """Slower first, since that is what is looked for; within a verdict the largest change first."""
    rank = table["verdict"].map({"SLOWER": 0, "FASTER": 1, "INCONCLUSIVE": 2, "SAME": 3})
    return table.assign(rank=rank, size=-(table["ratio"] - 1).abs()).sort_values(["rank", "size"], kind="stable").iterrows()


def _shown(row: pd.Series) -> list[str]:
    interval = f"{100 * (row['low'] - 1):+.1f} to {100 * (row['high'] - 1):+.1f} %" if math.isfinite(row["low"]) else ""
    change = f"{100 * (row['ratio'] - 1):+.1f} %" if math.isfinite(row["ratio"]) else ""
    times = [significant(MILLI * row[name]) if math.isfinite(row[name]) else "" for name in ("latency_a_s", "latency_b_s")]
    return [row["verdict"], change, interval, *times, row["reason"] if isinstance(row["reason"], str) else ""]


def _notes(table: pd.DataFrame) -> list[str]:
    found = counts(table)
    notes = [", ".join(f"{found[verdict]} {verdict}" for verdict in VERDICTS)]
    attrs = table.attrs
    notes.append(
        f"Changes are of B against A; intervals {100 * (1 - attrs['alpha']):g} % per cell; verdicts corrected for {len(table)} cells "
        f"(Benjamini-Hochberg, {100 * attrs['alpha']:g} %); changes below {100 * attrs['smallest_effect']:g} % don't matter; "
        + _noise(attrs)
    )
    if found["INCONCLUSIVE"]:
        notes.append("INCONCLUSIVE: neither a change nor its absence is shown; more replicates or a larger smallest effect may settle it")
    return notes + [_unlike(item) for item in attrs["unlike"]]


def _noise(attrs: dict) -> str:
    if attrs["floor_of"] == "pairs":
        return "noise from the ratios within alternating rounds"
    if attrs["floor"] is None:
        return "noise between sweeps is not known (`dyno noise` measures it)"
    return f"noise between sweeps {100 * attrs['floor']:.2f} %, from " + (
        "this host's noise floor" if attrs["floor_of"] == "calibration" else "the runs' anchors (`dyno noise` measures more)"
    )


def _unlike(item: dict[str, str]) -> str:
    return f"Unlike environments: {item['fact']}: {item['a'] or 'unknown'} (A), {item['b'] or 'unknown'} (B)"


def _plain(value: Any) -> Any:
    """NumPy's scalars as Python's, NaN as null."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
