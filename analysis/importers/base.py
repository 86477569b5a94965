"""What importers share: reading files with one-line errors, completing rows, and the lines that carry them into a report.

An imported row says where it is from (`source`), what its source does not tell (`lacks`), and carries no samples: a published mean is no
measurement of ours. Unknown is NaN or None, never a default; words that had to be assumed stand in `lacks`.
"""

import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.errors import ImporterError
from analysis.frame import frame as frames
from analysis.frame import imported
from analysis.frame.imported import KIND
from runner.records.schema import SCHEMA_VERSION

EXTRA = ("lacks", "complexity_px", "accuracy_images", "accuracy_data", "citation")  # columns beyond the frame's that importers may fill
UNKNOWN = "unknown"
TEXT_LIMIT = 64 * 2**20


def text(path: str | Path) -> str:
    """The file's text; a missing, unreadable, empty, huge or binary file is an ImporterError."""
    path = Path(path)
    try:
        if path.stat().st_size > TEXT_LIMIT:
            raise ImporterError(f"{path}: {path.stat().st_size / 2**20:.0f} MiB is no result file; give the summary that the tool printed")
        data = path.read_bytes()
    except OSError as error:
        raise ImporterError(f"{path}: can't be read: {error.strerror}; give an existing file")
    if b"\0" in data[:4096] and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ImporterError(f"{path}: binary data; give the text that the tool wrote")
    decoded = data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig", errors="replace")
    if not decoded.strip():
        raise ImporterError(f"{path}: the file is empty")
    return decoded


def csv(path: str | Path) -> pd.DataFrame:
    """A table with a heading line; anything else is an ImporterError."""
    content = text(path)
    heading = content.lstrip().split("\n", 1)[0]
    try:
        table = pd.read_csv(io.StringIO(content), sep=max(",;\t", key=heading.count))
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise ImporterError(f"{path}: no table with a heading line: {str(error).splitlines()[0]}")
    table.columns = [str(column).strip() for column in table.columns]
    return table


def files(path: str | Path, patterns: Sequence[str]) -> list[Path]:
    """The file itself, or the matching files of a folder and its sub-folders; an ImporterError where there is none."""
    path = Path(path)
    if not path.is_dir():
        return [path]
    found = sorted({file for pattern in patterns for file in path.rglob(pattern) if file.is_file()})
    if not found:
        raise ImporterError(f"{path}: no {' or '.join(patterns)} in this folder")
    return found


def number(value: object) -> float:
    """A finite float of a cell or a word of text; NaN where it is none."""
    try:
        parsed = float(str(value).strip().replace(",", ""))
    except ValueError:
        return math.nan
    return parsed if math.isfinite(parsed) else math.nan


def require(table: pd.DataFrame, columns: Iterable[str], path: str | Path, what: str) -> None:
    """ImporterError unless the table has these columns."""
    missing = [column for column in columns if column not in table]
    if missing:
        have = ", ".join(map(str, table.columns[:8]))
        raise ImporterError(f"{path}: no column {', '.join(missing)} (found {have}); {what}")


def cell_id(row: Mapping[str, Any]) -> str:
    """The cell as one slug, as the runner writes it; unknown parts read `unknown`."""

    def whole(value: object) -> str:
        known = number(value)
        return "%d" % known if known == known else UNKNOWN

    parts = [str(row.get(name) or UNKNOWN) for name in ("platform", "device", "backend", "model", "precision")]
    parts += ["b" + whole(row.get("batch_size")), whole(row.get("input_px")) + "px", str(row.get("scenario") or "latency")]
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", ".".join(parts))


def complete(rows: Sequence[Mapping[str, Any]], path: str | Path, source: str, lacks: str) -> pd.DataFrame:
    """Rows (the frame's columns, SI units) as a frame: identity, throughput and the columns that are missing are added.

    Rows without a positive latency or batch size are left out; ImporterError when none remains.
    """
    good: list[dict[str, Any]] = []
    for row in rows:
        latency, batch = number(row.get("latency_s")), number(row.get("batch_size"))
        if not (latency > 0 and batch >= 1):
            continue
        quality = tuple(row.get("quality") or ()) + (KIND,)
        filled = {
            "precision": UNKNOWN,
            "scenario": "latency",
            "lacks": lacks,
            **row,
            "latency_s": latency,
            "batch_size": int(batch),
            "quality": quality,
        }
        rate = number(row.get("throughput"))
        filled["throughput"] = rate if rate > 0 else batch / latency
        filled["cell_id"] = cell_id(filled)
        filled["record_id"] = f"{source}:{Path(path).stem}:{len(good)}"
        good.append(filled)
    if not good:
        raise ImporterError(f"{path}: no row has a latency and a batch size")
    return finish(good, Path(path).stem, source)


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
        "op_features": None,
        "started_at": None,
        "anchor": None,
    }
    frame = pd.DataFrame([{**constant, **row} for row in rows])
    for name in (*frames.CELL, *EXTRA):
        if name not in frame:
            frame[name] = np.nan if name in frames.NUMBERS else None
    return frames.finish(frame)


def dump(frame: pd.DataFrame) -> str:
    """The imported rows as JSON Lines of kind `imported`, to lie beside records; `load` reads them back."""
    keep = [
        name
        for name in dict.fromkeys((*frames.TEXT, *frames.NUMBERS, *EXTRA, "quality"))
        if name in frame and name not in ("host", "family", "accuracy_weights")
    ]
    lines = []
    for row in frame[keep].to_dict("records"):
        facts = {str(name): _plain(value) for name, value in row.items()}
        line = {
            "schema_version": SCHEMA_VERSION,
            "kind": KIND,
            "id": facts["record_id"],
            "row": {k: v for k, v in facts.items() if v is not None},
        }
        lines.append(json.dumps(line, separators=(",", ":"), allow_nan=False))
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, (np.integer, np.floating)):
        value = value.item()
    return None if value is None or value != value else value


def load(path: str | Path) -> pd.DataFrame:
    """A file written from `dump` as a frame."""
    rows = []
    for line in text(path).splitlines():
        try:
            rows.append(imported.row(json.loads(line), Path(path).stem))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ImporterError(f"{path}: line {len(rows) + 1} is no imported row; write the file with `import --out`")
    return finish(rows, Path(path).stem, str(rows[0].get("source")))
