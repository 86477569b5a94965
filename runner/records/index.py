"""An index beside a record file: where the last record of each cell lies, what state the cell is in, and what may yet be joined to it.

A file of a hundred thousand records has hundreds of megabytes, of which `status`, `plan` and the start of `run` need little. The index is a
cache: its first line says which bytes of the record file it covers, what was appended since is read on top of it, and where it doesn't fit,
is damaged or can't be written, the record file is read as if there were none.
"""

import json
import os
import zlib
from dataclasses import dataclass, field
from sys import intern
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from runner import files
from runner.errors import RecordError
from runner.records import check, schema
from runner.records import file as record_file
from runner.records.cell import Cell, cell_from
from runner.records.line import Line, line_from
from runner.records.replicate import replicates_of

FORMAT = 2
SMALLEST = 1 << 20  # bytes of a record file, or of what was appended to it, for which an index is worth writing
BLOCK = 1 << 22
SPANS = ("load_s", "first_latency_s", "h2d_s", "d2h_s", "warmup_s", "measure_s")


class Summary(NamedTuple):
    """What of a record decides whether it counts: all but its samples."""

    cell: Cell
    role: str
    id: str
    status: str
    reason: Optional[str]
    phase: Optional[str]
    signal: Optional[str]
    stderr: Optional[str]
    quality: List[str]
    content: Optional[Dict[str, Any]]
    asked: Optional[int]
    ended: Optional[str]
    environment: Optional[str]
    attempt: int
    wall_s: float
    replicates: int  # how many
    overheads_s: List[float]  # what each of them cost besides loading, warm-up and samples


KEPT = Summary._fields[2:-2]

Entry = NamedTuple("Entry", [("attempts", int), ("offset", int), ("length", int), ("short", bytes)])
Pending = NamedTuple("Pending", [("id", str), ("attempt", int), ("offset", int), ("length", int)])


@dataclass
class Index:
    """What a record file holds, in the first ``size`` bytes. ``crc`` is theirs; ``newer`` is a schema version that is not known here."""

    path: str
    size: int = 0
    crc: int = 0
    strange: int = 0
    bad: int = 0
    other: int = 0
    newer: Optional[int] = None
    entries: Dict[str, Dict[Cell, Entry]] = field(default_factory=dict)  # by role
    pending: Dict[str, Dict[Cell, List[Pending]]] = field(default_factory=dict)
    environments: Dict[str, Tuple[int, int]] = field(default_factory=dict)

    def add(self, read: record_file.Read) -> None:
        """Take one line of the file."""
        line = read.line
        self.bad, self.other = self.bad + read.is_bad, self.other + read.is_other
        self.newer = self.newer or read.newer
        if line is None:
            return
        kind = line.get("kind")
        if kind == "environment" and isinstance(line.get("id"), str) and isinstance(line.get("environment"), dict):
            self.environments[line["id"]] = (read.offset, len(read.raw))
        elif kind == "cell" and not check.is_cell(line) or kind == "replicate" and not check.is_replicate(line):
            self.strange += 1
        elif kind in ("cell", "replicate"):
            role, cell = intern(line["role"]), _interned(cell_from(line["cell"]))
            if kind == "cell":
                entries = self.entries.setdefault(role, {})
                attempts = max(entries[cell].attempts if cell in entries else 0, line["attempt"])
                entries[cell] = Entry(attempts, read.offset, len(read.raw), _dumps(shortened(line)))
            else:
                some = self.pending.setdefault(role, {}).setdefault(cell, [])
                if all(one.id != line["id"] for one in some):  # a repeated line counts once
                    some.append(Pending(line["id"], line["attempt"], read.offset, len(read.raw)))

    def drop_finished(self) -> None:
        """Forget the replicates of attempts whose record was written."""
        for role, waiting in self.pending.items():
            for cell, some in list(waiting.items()):
                done = self.entries.get(role, {}).get(cell)
                waiting[cell] = [one for one in some if done is None or one.attempt > done.attempts]
                if not waiting[cell]:
                    del waiting[cell]

    def line_at(self, offset: int, length: int) -> Dict[str, Any]:
        """The whole line at a place; RecordError where the file has been changed since."""
        try:
            with open(self.path, "rb") as file:
                file.seek(offset)
                found = record_file.parsed(file.read(length), offset).line
        except OSError as error:
            raise RecordError("%s: can't be read: %s" % (self.path, error.strerror))
        if found is None:
            raise RecordError("%s: was changed while it was read; try again" % self.path)
        return found


def shortened(line: Dict[str, Any]) -> Dict[str, Any]:
    """The fields of a record's Summary, but for its cell and role."""
    short = {name: line.get(name) for name in KEPT}
    overheads = []
    for replicate in replicates_of(line):
        spans = replicate.spans
        overheads.append(round(spans["process_s"] - sum(spans.get(name) or 0.0 for name in SPANS), 6))
    return dict(short, replicates=len(overheads), overheads_s=overheads)


class Last(Mapping[Cell, Summary]):
    """The last record of each cell of a role, shortened; taken apart when it is asked for."""

    def __init__(self, index: Index, role: str) -> None:
        self._index, self._role = index, role
        self._entries = index.entries.get(role, {})

    def __getitem__(self, cell: Cell) -> Summary:
        return Summary(cell, self._role, **json.loads(self._entries[cell].short.decode("ascii")))

    def __contains__(self, cell: object) -> bool:
        return cell in self._entries

    def __iter__(self) -> Iterator[Cell]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def attempts(self, cell: Cell) -> int:
        return self._entries[cell].attempts if cell in self._entries else 0

    def whole(self, cell: Cell) -> Line:
        """The record itself."""
        entry = self._entries[cell]
        return line_from(self._index.line_at(entry.offset, entry.length))


def read(path: str) -> Index:
    """The Index of a record file as it is now; written beside it where that saves the next reader much."""
    if not os.path.lexists(path) or not record_file.is_readable(path):
        return Index(path)
    found = _load(path)
    start = found.size
    last = None
    for one in record_file.scan(path, start):
        if not one.raw.endswith(b"\n"):  # its end may still be on its way: it is no part of what is kept
            last = one
            break
        found.size, found.crc = one.end, zlib.crc32(one.raw, found.crc)
        found.add(one)
    _save(found, start)
    if last:
        found.add(last)
    found.drop_finished()
    return found


def place(path: str) -> str:
    return os.path.splitext(path)[0] + ".index"


def _stamp(path: str) -> List[int]:
    found = os.stat(path)
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _save(index: Index, start: int) -> None:
    """Keep an index, if enough has been read since byte ``start`` to be worth it; where it can't be written, all goes on without."""
    if index.size - start < max(SMALLEST, index.size // 20):
        return
    index.drop_finished()
    body = [
        _dumps([role, list(cell)] + list(entry[:3])) + b"\t" + entry.short
        for role, entries in index.entries.items()
        for cell, entry in entries.items()
    ]
    body += [
        _dumps([role, list(cell), [list(one) for one in some]]) for role, waiting in index.pending.items() for cell, some in waiting.items()
    ]
    content = b"".join(line + b"\n" for line in body)
    try:
        head = {"format": FORMAT, "schema": schema.SCHEMA_VERSION, "stamp": _stamp(index.path), "crc_body": zlib.crc32(content)}
        head.update({name: getattr(index, name) for name in ("size", "crc", "strange", "bad", "other", "newer", "environments")})
        files.atomic_write(place(index.path), _dumps(head) + b"\n" + content)
    except OSError:
        pass


def _load(path: str) -> Index:
    """The index beside a record file; an empty one where there is none that fits."""
    try:
        with open(place(path), "rb") as file:
            head, crc = json.loads(file.readline().decode("ascii")), 0
            if (head["format"], head["schema"]) != (FORMAT, schema.SCHEMA_VERSION) or not _fits(path, head):
                return Index(path)
            counts = {name: head[name] for name in ("size", "crc", "strange", "bad", "other", "newer")}
            index = Index(path, environments={name: (at[0], at[1]) for name, at in head["environments"].items()}, **counts)
            for line in file:
                crc = zlib.crc32(line, crc)
                start, _, short = line.partition(b"\t")
                role, fields, *rest = json.loads(start.decode("ascii"))
                cell = _interned(Cell(*fields))
                if short:
                    attempts, offset, length = rest
                    index.entries.setdefault(intern(role), {})[cell] = Entry(attempts, offset, length, short)
                else:
                    index.pending.setdefault(intern(role), {})[cell] = [Pending(*one) for one in rest[0]]
        return index if crc == head["crc_body"] else Index(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return Index(path)


def _fits(path: str, head: Dict[str, Any]) -> bool:
    """Whether the bytes that an index covers are still those that it was made of."""
    if head["stamp"] == _stamp(path):
        return True
    left, crc = head["size"], 0
    with open(path, "rb") as file:
        while left:
            block = file.read(min(left, BLOCK))
            if not block:
                return False
            left, crc = left - len(block), zlib.crc32(block, crc)
    return bool(crc == head["crc"])


def _interned(cell: Cell) -> Cell:
    """The same cell, whose words are stored once however many cells have them."""
    words: List[Any] = [intern(value) if isinstance(value, str) else value for value in cell]
    return Cell(*words)


def _dumps(value: Any) -> bytes:
    return json.dumps(record_file.finite(value), separators=(",", ":")).encode("ascii")
