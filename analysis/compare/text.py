"""How a comparison is printed: a table for people, JSON for programs, Markdown for a pull request."""

import json
import math
import re
from html import escape
from typing import Any

import pandas as pd

from analysis.compare.compare import FROM_FLOOR, FROM_PAIRS, Comparison
from analysis.compare.judge import VERDICTS
from analysis.compare.noise import ALPHA, Floor
from analysis.frame.columns import CELL
from analysis.frame.metrics import MILLI, significant
from runner.program.terminal import plain

SHOWN = ("verdict", "change", "interval", "a_ms", "b_ms", "reason")


def as_table(found: Comparison) -> str:
    """Columns of text; what the cells have in common is said once, above them."""
    varying, common = _coordinates(found.cells)
    header = [*varying, *SHOWN]
    rows = [[plain(word) for word in [str(row[name]) for name in varying] + _shown(row)] for _, row in _ordered(found.cells)]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in [header, *rows]]
    above = [plain(f"all cells: {common}")] if common else []
    return "\n".join([*above, *lines, "", *map(plain, _notes(found))]) + "\n"


def as_markdown(found: Comparison) -> str:
    varying, common = _coordinates(found.cells)
    header = [*varying, *(name.replace("_ms", " (ms)") for name in SHOWN)]
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    for _, row in _ordered(found.cells):
        words = [str(row[name]) for name in varying] + _shown(row)
        lines.append("| " + " | ".join(map(marked_down, words)) + " |")
    above = [f"All cells: {marked_down(common)}.", ""] if common else []
    return "\n".join([*above, *lines, "", *(f"* {marked_down(note)}" for note in _notes(found))]) + "\n"


def marked_down(text: str) -> str:
    """The same as one line of Markdown that shows it as it is: no HTML, no link, no picture, no column of its own."""
    return re.sub(r"([\\|`*\[\]])", r"\\\1", escape(plain(text), quote=False))


def as_json(found: Comparison) -> str:
    cells = [{name: _plain(value) for name, value in row.items()} for _, row in found.cells.iterrows()]
    facts = {name: value for name, value in vars(found).items() if name != "cells"}
    return json.dumps({"verdicts": found.counts, **facts, "cells": cells}, indent=1, allow_nan=False) + "\n"


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


def _notes(found: Comparison) -> list[str]:
    counts = found.counts
    notes = [", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS)]
    notes.append(
        f"Changes are of B against A; intervals {100 * (1 - found.alpha):g} % per cell; verdicts corrected for {len(found.cells)} cells "
        f"(Benjamini-Hochberg, {100 * found.alpha:g} %); changes below {100 * found.smallest_effect:g} % don't matter; " + _noise(found)
    )
    if counts["INCONCLUSIVE"]:
        notes.append("INCONCLUSIVE: neither a change nor its absence is shown; more replicates or a larger smallest effect may settle it")
    return notes + [_unlike(item) for item in found.unlike]


def _noise(found: Comparison) -> str:
    if found.floor_of == FROM_PAIRS:
        return "noise from the ratios within alternating rounds"
    if found.floor is None:
        return "noise between sweeps is not known (`dyno noise` measures it)"
    return f"noise between sweeps {100 * found.floor:.2f} %, from " + (
        "this host's noise floor" if found.floor_of == FROM_FLOOR else "the runs' anchors (`dyno noise` measures more)"
    )


def _unlike(item: dict[str, str]) -> str:
    return f"Unlike environments: {item['fact']}: {item['a'] or 'unknown'} (A), {item['b'] or 'unknown'} (B)"


def _plain(value: Any) -> Any:
    """NumPy's scalars as Python's, NaN as null."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
