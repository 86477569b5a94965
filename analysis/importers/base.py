"""What importers share: reading files with one-line errors, and completing rows.

An imported row says where it is from (`source`), what its source does not tell (`lacks`), and carries no samples: a published mean is no
measurement of ours. Unknown is NaN or None, never a default; words that had to be assumed stand in `lacks`.
"""

import csv as csv_module
import hashlib
import json
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.errors import ImporterError, ImportNote
from analysis.frame import columns
from analysis.frame.finish import finish as with_all_columns
from analysis.frame.imported import KIND
from analysis.frame.words import plural
from analysis.importers._lines import plain
from analysis.importers._numbers import number
from analysis.importers._text import read as text
from runner.records.cell import id_of

UNKNOWN = "unknown"
GENERIC = re.compile(
    r"(results?|bench(mark)?(_report|_app)?|report|output|out|data|table|log|run|trace|summary|latency|times?|mlperf_log_summary)?"
)
LARGEST_BATCH = 10**9
LARGEST_PX = 10**6
SHOWN = 3  # of what was left out, by example


def note(path: str | Path, count: int, noun: str, what: str, examples: Iterable[object] = ()) -> None:
    """Say what was left out: a warning of kind ImportNote, which the command prints and a notebook shows."""
    shown = ", ".join(str(example)[:40] for example in list(examples)[:SHOWN])
    warnings.warn(ImportNote(f"{path}: {plural(count, noun)} {what}{': ' + shown if shown else ''}"), stacklevel=2)


def name_of(path: str | Path) -> str:
    """What a file is called: its stem, with its folder's name in front where the stem says nothing (`nano/results.csv`: nano-results)."""
    path = Path(path).absolute()
    parent = path.parent.name
    return f"{parent}-{path.stem}" if GENERIC.fullmatch(path.stem.lower()) and parent else path.stem


def csv(path: str | Path) -> pd.DataFrame:
    """A table with a heading line, all cells as text; anything else is an ImporterError. Lines that begin with # are comments.

    Rows of another length than the heading are left out, and counted: which of their cells is which can't be told.
    """
    lines = [line for line in text(path).split("\n") if line.strip() and not line.lstrip().startswith("#")]
    told = re.fullmatch(r"sep=([,;\t|])", lines[0].strip(' "')) if lines else None  # Excel's own first line
    lines = lines[1:] if told else lines
    if not lines:
        raise ImporterError(f"{path}: no table: there are only comments")
    try:
        mark = told[1] if told else max(",;\t|", key=lines[0].count)
        reader = csv_module.reader(lines, delimiter=mark, skipinitialspace=True, strict=True)
        rows = list(reader)
    except csv_module.Error:
        limit = csv_module.field_size_limit()
        long = any(len(line) > limit for line in lines[: reader.line_num])
        what = f"a cell of more than {limit:,} characters" if long else 'a quotation mark (") that is not closed, or stands inside a word'
        raise ImporterError(f"{path}: no table: {what}, in row {reader.line_num} or above")
    heading = [column.strip() for column in rows[0]]
    twice = [name for name, count in Counter(heading).items() if name and count > 1]
    if twice:
        raise ImporterError(f"{path}: two columns are called {twice[0]}; name each once")
    whole = [row for row in rows[1:] if len(row) == len(heading)]
    ragged = [row for row in rows[1:] if len(row) != len(heading)]
    if ragged:
        note(path, len(ragged), "row", f"left out, with another number of cells than the heading's {len(heading)}", map(" | ".join, ragged))
    return pd.DataFrame(whole, columns=heading, dtype=object)[[name for name in heading if name]]


def files(path: str | Path, patterns: Sequence[str]) -> list[Path]:
    """The file itself, or the matching files of a folder and its sub-folders; an ImporterError where there is none."""
    path = Path(path)
    if not path.is_dir():
        return [path]
    found = sorted({file for pattern in patterns for file in path.rglob(pattern) if file.is_file()})
    if not found:
        raise ImporterError(f"{path}: no {' or '.join(patterns)} in this folder")
    return found


def each(path: str | Path, patterns: Sequence[str], read: Callable[[Path], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The rows of a file, or of a folder's files: there, one that is refused does not refuse the others, and is told of."""
    found, refused = [], []
    inside = Path(path).is_dir()
    for file in files(path, patterns):
        try:
            found += read(file)
        except ImporterError as error:
            if not inside:
                raise
            refused.append(error)
    if refused and not found:
        raise refused[0]
    for reason in refused:
        warnings.warn(ImportNote(f"left out: {reason}"), stacklevel=2)
    return found


def require(table: pd.DataFrame, columns: Iterable[str], path: str | Path, what: str) -> None:
    """ImporterError unless the table has these columns."""
    missing = [column for column in columns if column not in table]
    if missing:
        have = ", ".join(map(str, table.columns[:8]))
        raise ImporterError(f"{path}: no column {', '.join(missing)} (found {have}); {what}")


def cell_id(row: Mapping[str, Any]) -> str:
    """The cell as one slug, one to one as the runner writes it; unknown parts read `unknown`."""

    def whole(value: object) -> str:
        known = number(value)
        return f"{known:.0f}" if known == known and known == int(known) else UNKNOWN if known != known else f"{known!r}"

    parts = [str(row.get(name) or UNKNOWN) for name in ("platform", "device", "backend", "model", "precision")]
    parts += ["b" + whole(row.get("batch_size")), whole(row.get("input_px")) + "px", str(row.get("scenario") or "latency")]
    return id_of(parts, parts)


def sized(model: str, height: float, width: float) -> tuple[str, float]:
    """(name, input_px) of a network with an input that high and wide: one number tells a square alone, so that another's name holds both."""
    height, width = number(height), number(width)
    return (model, height) if height == width or height != height else (f"{model}-{height:.0f}x{width:.0f}", height)


def complete(rows: Sequence[Mapping[str, Any]], path: str | Path, source: str, lacks: str) -> pd.DataFrame:
    """Rows (the frame's columns, SI units) as a frame: identity, throughput and the columns that are missing are added.

    Rows without a positive latency or batch size are left out; ImporterError when none remains.
    """
    good: list[dict[str, Any]] = []
    left_out: list[str] = []
    rows, unsized = _with_whole_sizes(rows)
    if unsized:
        note(path, len(unsized), "input size", "left out, not a whole number of pixels", unsized)
    for row in rows:
        latency, batch = number(row.get("latency_s")), number(row.get("batch_size"))
        if not (latency > 0 and 1 <= batch <= LARGEST_BATCH and batch == int(batch)):
            wrong = f" (batch size {batch:g})" if latency > 0 and batch == batch else ""
            left_out.append(f"{row.get('model')}{wrong}")
            continue
        quality = tuple(row.get("quality") or ()) + (KIND,)
        filled = {
            "precision": UNKNOWN,
            "scenario": "latency",
            "lacks": lacks,
            **{name: number(value) if type(value) is int and name in columns.NUMBERS else value for name, value in row.items()},
            "latency_s": latency,
            "batch_size": int(batch),
            "quality": quality,
        }
        rate = number(row.get("throughput"))
        filled["throughput"] = rate if rate > 0 else batch / latency
        filled["cell_id"] = cell_id(filled)
        good.append(filled)
    if not good:
        raise ImporterError(f"{path}: no row has a latency above 0 and a batch size of 1, 2, 3 … (found {', '.join(left_out[:SHOWN])})")
    if left_out:
        note(path, len(left_out), "row", "left out, with no latency or no batch size", left_out)
    seen: Counter[str] = Counter()
    for filled in good:
        name = identity(source, filled)
        seen[name] += 1
        filled["record_id"] = name if seen[name] == 1 else f"{name}:{seen[name]}"
    return finish(good, Path(path).stem, source)


def _with_whole_sizes(rows: Iterable[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], list[object]]:
    """The rows, in which a size that can't be one is unknown, and what such sizes were."""
    sized: list[Mapping[str, Any]] = []
    wrong: list[object] = []
    for row in rows:
        given = {name: row[name] for name in ("input_px", "complexity_px") if row.get(name) is not None and row[name] == row[name]}
        bad = [name for name, value in given.items() if not 1 <= number(value) <= LARGEST_PX or number(value) % 1]
        wrong += [given[name] for name in bad if name == "input_px"]
        sized.append({**row, **dict.fromkeys(bad, float("nan"))} if bad else row)
    return sized, wrong


def identity(source: str, row: Mapping[str, Any]) -> str:
    """The id of an imported row: its source, platform, cell and a hash of all that it says, whatever the file is called."""
    facts = json.dumps({name: plain(value) for name, value in row.items()}, sort_keys=True, default=str)
    return f"{source}:{row['platform']}:{row['cell_id']}:{hashlib.sha256(facts.encode()).hexdigest()[:16]}"


def finish(rows: Sequence[Mapping[str, Any]], stem: str, source: str) -> pd.DataFrame:
    """Rows with a cell_id as a finished frame."""
    constant = {
        "run": f"{source}:{stem}",
        "source": source,
        "file": stem,
        "environment": None,
        "role": "cell",
        "status": "ok",
        "attempt": 1,
        "contended": False,
        "replicate_medians_s": (),
        "replicate_rounds": (),
        "op_features": None,
        "started_at": None,
        "anchor": None,
    }
    frame = pd.DataFrame([{**constant, **row} for row in rows])
    return with_all_columns(frame)
