"""A search's path, RESULTS/search/path.jsonl: what was asked for and why, what came of it, and how the search ended.

One line per event, appended: `asked` (with the forecast that led to it), `done` (the cell was measured, or could not be), `ended` (the answer).
All lines bear the search's id, so that several searches may share a folder; records stay what they are, and hold every sample.
"""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.errors import CantWrite

ASKED, DONE, ENDED = "asked", "done", "ended"
TRIES = 2  # times that a matrix is handed out for a device reached by other means before its cell counts as left out there

Key = tuple[str, int, str, str]  # model, input_px, backend, precision


@dataclass(frozen=True)
class Way:
    """What happened so far: cells that this search asked for, and cells that can't be measured, whichever search asked."""

    asked: frozenset[Key]
    left_out: frozenset[Key]
    twice: frozenset[Key] = frozenset()  # of those asked for, the ones that were asked for again


def search_id(about: Mapping[str, Any]) -> str:
    """A short name of a search: a digest of its limits, arms and batch size."""
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:10]


def file_in(results: Path) -> Path:
    """Where the path lies below a folder of results."""
    return results / "search" / "path.jsonl"


def append(results: Path, event: str, search: str, facts: Mapping[str, Any]) -> None:
    """Add a line; a torn last one, which a killed search left, is ended first."""
    path = file_in(results)
    path.parent.mkdir(parents=True, exist_ok=True)
    line = {"event": event, "search": search, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **facts}
    torn = path.is_file() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(("\n" if torn else "") + json.dumps(line, allow_nan=False) + "\n")
    except OSError as error:
        raise CantWrite(f"{path}: can't be written: {error.strerror}; the same command goes on")


def lines(results: Path) -> list[dict[str, Any]]:
    """All whole lines, the oldest first."""
    path, found = file_in(results), []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and line.get("event") in (ASKED, DONE, ENDED):
            found.append(line)
    return found


def read(results: Path, search: str, device: str, batch_size: int) -> Way:
    """The Way of a search."""
    asked: set[Key] = set()
    tries: Counter[Key] = Counter()
    left_out: set[Key] = set()
    twice: set[Key] = set()
    for line in lines(results):
        key = _key(line)
        if key is None or (line.get("device"), line.get("batch_size")) != (device, batch_size):
            continue
        if line["event"] == ASKED:
            if line["search"] == search:
                twice |= {key} & asked
                asked.add(key)
            tries[key] += bool(line.get("by_hand"))
        elif line["event"] == DONE and line.get("latency_ms") is None:
            left_out.add(key)
    return Way(frozenset(asked), frozenset(left_out | {key for key, count in tries.items() if count >= TRIES}), frozenset(twice))


def table(results: Path) -> pd.DataFrame:
    """The paths as a table, one row per cell asked for, in order: what was expected and what came, for charts and the page.

    Columns: search, step, model, input_px, backend, precision, device, batch_size, top1, limits, expected_ms, low_ms, high_ms, chance, why, at,
    latency_ms, meets, reason, best (name), best_top1, doubt. Empty where no search was made.
    """
    rows: list[dict[str, Any]] = []
    for line in lines(results):
        if line["event"] == ASKED:
            rows.append({**line, "step": 1 + sum(row["search"] == line["search"] for row in rows)})
        elif line["event"] == DONE:
            for row in reversed(rows):
                if row["search"] == line["search"] and _key(row) == _key(line):
                    row.update({name: line.get(name) for name in ("latency_ms", "meets", "reason", "best", "best_top1", "doubt")})
                    break
    return pd.DataFrame(rows).drop(columns=["event"], errors="ignore")


def cell_of(key: Key, device: str, batch_size: int) -> dict[str, Any]:
    """The fields that name a cell in a line."""
    model, input_px, backend, precision = key
    return {
        "model": model,
        "input_px": input_px,
        "backend": backend,
        "precision": precision,
        "device": device,
        "batch_size": batch_size,
    }


def _key(line: Mapping[str, Any]) -> Key | None:
    try:
        return str(line["model"]), int(line["input_px"]), str(line["backend"]), str(line["precision"])
    except (KeyError, TypeError, ValueError):
        return None
