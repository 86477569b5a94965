"""Records: one JSON line per cell and attempt, appended whole and flushed to disk.

A record file is append-only JSON Lines. Kinds of line: ``environment`` (once per run, before its first cell), ``cell``,
``replicate`` (of a cell that is not finished) and ``accuracy`` (a part of the images), which name their environment by id. ``FIELDS`` is the schema; docs/records.md
is written from it and a test holds the two, and real records, together.
"""

import errno
import json
import math
import os
import stat
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from runner import files
from runner.errors import RecordError
from runner.records import schema
from runner.records.lift import is_newer, lift


def dumps(record: Any) -> str:
    """One line of JSON; NaN and infinities become null so that every reader takes it."""
    return json.dumps(finite(record), separators=(",", ":"), sort_keys=False, allow_nan=False)


def finite(value: Any) -> Any:
    """A value as JSON can hold it: NaN and infinities are None, keys are texts."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


class RecordFile:
    """The record file of one host and platform, locked for one run at a time.

    Appends are whole lines followed by fsync; a line that can't be written whole (full disk, vanished
    mount) is taken back, so that the file never ends in half a record of ours.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.warnings: List[str] = []
        self.task: Optional[Dict[str, Any]] = None
        self._fd: Any = None

    def __enter__(self) -> "RecordFile":
        try:
            self.task = task()
            os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            if not stat.S_ISREG(os.fstat(self._fd).st_mode):
                raise RecordError("%s: is not a regular file; give another --results" % self.path)
            self._lock()
            self._set_torn_line_aside()
        except (OSError, RecordError) as error:
            self.__exit__()
            if isinstance(error, RecordError):
                raise
            raise RecordError("%s: can't write records: %s" % (self.path, error.strerror))
        return self

    def _lock(self) -> None:
        try:
            files.lock(self._fd, wait=False)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise RecordError("%s: another run is writing here; wait for it to end, or give another --results" % self.path)
            self.warnings.append("%s: this mount has no locks; run one at a time" % self.path)

    def __exit__(self, *_: Any) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _set_torn_line_aside(self) -> None:
        size = os.fstat(self._fd).st_size
        if size == 0 or os.pread(self._fd, 1, size - 1) == b"\n":
            return
        keep, blocks = size, [b""]  # the last line, from its end to its beginning
        while keep and b"\n" not in blocks[-1]:
            step = min(keep, 1 << 16)
            keep -= step
            blocks.append(os.pread(self._fd, step, keep))
        begin = blocks[-1].rfind(b"\n") + 1
        keep, torn = keep + begin, b"".join(blocks[::-1])[begin:]
        if parsed(torn).line is not None:  # only the end of the line is missing
            os.write(self._fd, b"\n")
            return
        with open(self.path + ".torn", "ab") as file:
            file.write(torn + b"\n")
        os.ftruncate(self._fd, keep)
        self.warnings.append(
            "%s: the last line was torn (%d bytes); set aside in %s.torn" % (self.path, size - keep, os.path.basename(self.path))
        )

    def append(self, record: Dict[str, Any]) -> None:
        """Append one line and flush it to disk; raises RecordError when that fails, with nothing written, or when nobody will find it.

        In a fleet's run every line carries its task.
        """
        if self.task:
            record = dict(record, task=self.task)
        data = (dumps(record) + "\n").encode("utf-8")
        start = None
        try:
            start = os.fstat(self._fd).st_size
            view = memoryview(data)
            while view:
                view = view[os.write(self._fd, view) :]
            os.fsync(self._fd)
        except OSError as error:
            try:
                if start is not None:
                    os.ftruncate(self._fd, start)
                if start == 0:  # nobody else writes to it, and an empty file says nothing
                    os.remove(self.path)
            except OSError:
                pass
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            what = "free some space" if full else "see that its volume is there and writable"
            raise RecordError("%s: can't append a record: %s; %s and run again" % (self.path, error.strerror, what))
        if not self._is_in_place():
            raise RecordError(
                "%s: the file is no longer there: was its folder moved, removed or unmounted? Put it back and run again" % self.path
            )

    def _is_in_place(self) -> bool:
        """Whether the path still leads to the file that is written: an unmounted volume takes lines that nobody will read."""
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._fd))
        except OSError:
            return False


class Read(NamedTuple):
    """A line of a record file: ``line`` in the present schema, None where it is blank, torn (``is_bad``) or of a schema that is not known."""

    offset: int
    raw: bytes
    line: Optional[Dict[str, Any]] = None
    is_bad: bool = False
    newer: Optional[int] = None  # the schema's version, where a later Dyno wrote it

    @property
    def is_other(self) -> bool:
        return self.line is None and not self.is_bad and bool(self.raw.strip())

    @property
    def end(self) -> int:
        return self.offset + len(self.raw)


def parsed(raw: bytes, offset: int = 0) -> Read:
    """The Read of a line's bytes."""
    if not raw.strip():
        return Read(offset, raw)
    try:
        record = json.loads(raw.decode("utf-8-sig"))  # an editor may have put a mark before the first line
    except (ValueError, RecursionError):
        return Read(offset, raw, is_bad=True)
    return Read(offset, raw, lift(record), newer=record["schema_version"] if is_newer(record) else None)


def scan(path: str, offset: int = 0) -> Iterator[Read]:
    """The lines of a file from a byte on, one Read after the other."""
    with open(path, "rb") as file:
        file.seek(offset)
        for raw in file:
            yield parsed(raw, offset)
            offset += len(raw)


def is_readable(path: str) -> bool:
    """Whether anything can be read from a path; RecordError where it is there, but not for us."""
    if not os.path.isfile(path):
        return False
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError as error:
        raise RecordError("%s: can't be read: %s" % (path, error.strerror))
    return True


def warnings(path: str, bad: int, other: int) -> List[str]:
    """What to say about lines that are not records."""
    said = []
    if os.path.lexists(path) and not os.path.isfile(path):
        said.append("%s: is not a regular file; nothing is read from it" % path)
    if bad:
        said.append("%s: %s torn or not JSON; set aside" % (path, lines_are(bad)))
    if other:
        said.append("%s: %s of another schema_version; set aside" % (path, lines_are(other)))
    return said


def lines_are(count: int) -> str:
    return "1 line is" if count == 1 else "%d lines are" % count


def refuse(path: str, newer: int) -> None:
    """RecordError for who is about to write: measurements of a newer schema can't be known here."""
    found = (path, newer, schema.SCHEMA_VERSION)
    raise RecordError("%s: has records of schema %d, this Dyno knows up to %d; update it, or give another --results" % found)


def read(path: str, refuse_newer: bool = False) -> Tuple[List[Dict[str, Any]], List[str]]:
    """(records, warnings) of one file, lifted to the present schema; lines that are not records are counted, never fatal.

    Who is about to write refuses lines of a newer schema: RecordError.
    """
    records: List[Dict[str, Any]] = []
    bad = other = 0
    if is_readable(path):
        for one in scan(path):
            if refuse_newer and one.newer:
                refuse(path, one.newer)
            bad, other = bad + one.is_bad, other + one.is_other
            if one.line is not None:
                records.append(one.line)
    return records, warnings(path, bad, other)


def task() -> Optional[Dict[str, Any]]:
    """The task of a fleet's run, from DYNO_TASK; None where there is none. RecordError where it is not what `dyno fleet` writes."""
    text = os.environ.get("DYNO_TASK")
    if not text:
        return None
    try:
        return {name: kind(json.loads(text)[name]) for name, kind in schema.TASK_FIELDS}
    except (ValueError, KeyError, TypeError):
        raise RecordError("DYNO_TASK: %.80r is not a task; `dyno fleet submit` sets it, so leave it unset elsewhere" % text)


def utc_now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
