"""Record files as entries: rows of the frame, facts of environments, counts of images.

Nothing in a file is fatal: lines that are torn, malformed, of another schema or seen before are set aside and counted.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.errors import FrameError
from analysis.frame import imported, measured_accuracy, operators, quick_json, unfinished
from analysis.frame.environments import flatten
from analysis.frame.row import row
from runner.records.check import is_replicate, misfit, misfit_accuracy
from runner.records.lift import lift
from runner.records.schema import SCHEMA_VERSION

TASK_CELL = ("task", "cell_id", "role", "anchor")  # what a fleet's task measures once, however often it was delivered
REPEATED = "repeat an id that was read before"
REPEATED_TASK = "repeat a cell of a task that was delivered before"


def record_files(paths: Iterable[str | Path], problems: Counter | None = None) -> list[Path]:
    """The record files (*.jsonl) among files and, recursively, folders; raises FrameError where a path is neither a file nor a folder.

    What bears such a name in a folder and is not a regular file (a folder, a pipe, a link that leads nowhere) is counted in problems.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            named = sorted(path.rglob("*.jsonl"))
            found += [file for file in named if file.is_file()]
            for file in named:
                if not file.is_file() and not file.is_dir() and problems is not None:
                    problems[file.name, "is not a file: a pipe, a device, or a broken link"] += 1
        elif path.is_file():
            found.append(path)
        else:
            there = path.exists() or path.is_symlink()
            what = "is neither a file nor a folder (a pipe, or a broken link)" if there else "no such file or folder"
            raise FrameError(f"{path}: {what}; name records that exist (`make bench` writes results/records)")
    return list(dict.fromkeys(file.resolve() for file in found))


@dataclass(frozen=True)
class Entry:
    """What a file holds: a row of the frame (cell, imported), the facts (environment), the record (accuracy) or a Profile's fields (profile)."""

    kind: str
    id: str
    content: dict[str, Any]

    @property
    def key(self) -> str:
        """What no two entries share."""
        return f"{self.kind}:{self.id}"


def read(file: Path, problems: Counter) -> Iterator[Entry]:
    """The entries of a record file; a file that can't be read is counted in problems."""
    try:
        content = open(file, "rb")
    except OSError as error:
        problems[file.name, f"can't be read: {error.strerror}"] += 1
        return
    with content:
        yield from entries(content, file, problems)


def entries(content: Iterable[bytes], file: Path, problems: Counter) -> Iterator[Entry]:
    """The entries of a record file's lines, in their order, then the cells that no run lived to finish.

    What is torn, foreign or malformed is counted in problems.
    """
    left = unfinished.Unfinished()
    for record in _records(content, file, problems):
        try:
            kind, name = record["kind"], str(record.get("id"))
            if kind in ("cell", "environment") and misfit(record) or kind == "accuracy" and misfit_accuracy(record):
                raise ValueError(misfit(record))
            if kind == "environment":
                flatten(record["environment"])  # raises what nests too deep
                left.facts[name] = dict(record["environment"])
                yield Entry(kind, name, left.facts[name])
            elif kind == "imported":  # written by `import`
                yield Entry(kind, name, imported.row(record, file.stem))
            elif kind == "profile":
                found = operators.of_record(record)
                if found is not None:
                    yield Entry(kind, name, found)
            elif kind == "accuracy":
                measured_accuracy.measured([(file, record)])  # raises what a malformed record raises
                yield Entry(kind, name, record)
            elif kind == "cell":
                yield Entry(kind, name, row(record, file))
                left.finish(record)
            elif kind == "replicate" and is_replicate(record):
                if not left.add(record):
                    problems[file.name, REPEATED] += 1
            else:
                raise ValueError(kind)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
            problems[file.name, "are not records of this schema (a field is missing or of another type)"] += 1
    cells, apart = left.cells()
    for line in cells:
        yield Entry("cell", str(line["id"]), row(line, file))
    if apart:
        problems[file.name, unfinished.UNLIKE] += apart


def one_per_task(rows: list[dict[str, Any]], problems: Counter) -> list[dict[str, Any]]:
    """The rows without those that a fleet's task measured again: of each task and cell the first that is complete stays, else the first."""
    first: dict[tuple[Any, ...], int] = {}
    for position, entry in enumerate(rows):
        if entry.get("task"):
            key = tuple(entry.get(name) for name in TASK_CELL)
            if key not in first or (not _complete(rows[first[key]]) and _complete(entry)):
                first[key] = position
    kept = set(first.values())
    for position, entry in enumerate(rows):
        if entry.get("task") and position not in kept:
            problems[f"{entry['file']}.jsonl", REPEATED_TASK] += 1
    return [entry for position, entry in enumerate(rows) if not entry.get("task") or position in kept]


def _complete(entry: dict[str, Any]) -> bool:
    return entry["status"] == "ok" and entry.get("ended") != "interrupted"


def _records(content: Iterable[bytes], file: Path, problems: Counter) -> Iterator[dict[str, Any]]:
    for line in content:
        if not line.strip():
            continue
        try:
            record = quick_json.loads(line)
        except (ValueError, RecursionError):
            problems[file.name, "are torn or no JSON"] += 1
            continue
        lifted = lift(record)
        if lifted is None:
            problems[file.name, f"have another schema than {SCHEMA_VERSION}"] += 1
        else:
            yield lifted
