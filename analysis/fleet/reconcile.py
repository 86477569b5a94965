"""What of a submission is delivered: read from the records alone, whatever an engine believes."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from analysis.fleet.tasks import Submission, Task
from runner.files import atomic_write
from runner.records import file as record_file
from runner.records.schema import STATUSES

ENDED_FROM_OUTSIDE = ("SIGTERM", "SIGINT")  # scancel and a node that shuts down signal every process: the cell has not failed


@dataclass(frozen=True)
class State:
    """Where a task stands: the cells that have a record, by the host that wrote it."""

    task: Task
    delivered: frozenset[str]
    hosts: tuple[str, ...]
    failed: int
    note: str = ""  # the last line of its log, where it is not complete

    @property
    def complete(self) -> bool:
        """Whether every cell has a record."""
        return self.delivered >= set(self.task.cells)


def task_folder(submission: Submission, task: Task, results: str | Path | None = None) -> Path:
    """Where a task writes, as this machine sees the results."""
    return Path(results or submission.results) / "tasks" / submission.name / str(task.number)


def states(submission: Submission, results: str | Path | None = None) -> list[State]:
    """The state of every task; torn and foreign lines count as nothing."""
    found = []
    for task in submission.tasks:
        delivered, hosts, failed = set(), set(), 0
        for path in sorted(task_folder(submission, task, results).glob("records/*.jsonl")):
            for line in record_file.read(str(path))[0]:
                if (
                    line.get("kind") == "cell"
                    and (line.get("task") or {}).get("submission") == submission.name
                    and line.get("status") in STATUSES
                    and line.get("ended") != "interrupted"
                    and line.get("signal") not in ENDED_FROM_OUTSIDE
                ):
                    delivered.add(str(line.get("cell_id")))
                    hosts.add(path.stem.removeprefix(f"{task.platform}-"))
                    failed += line["status"] == "failed"
        state = State(task, frozenset(delivered), tuple(sorted(hosts)), failed)
        found.append(state if state.complete else State(task, state.delivered, state.hosts, failed, _last_words(submission, task)))
    return found


def missing(found: list[State], queued: Collection[int]) -> list[Task]:
    """The tasks that are neither complete nor with the engine: exactly those are submitted again."""
    return [state.task for state in found if not state.complete and state.task.number not in queued]


def _last_words(submission: Submission, task: Task) -> str:
    try:
        lines = (Path(submission.folder) / "logs" / f"{task.number}.log").read_text(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:200]


def collect(submission: Submission, out: Path, results: str | Path | None = None) -> list[Path]:
    """Join what the tasks of each board wrote into one record file per board below out/records; whole lines only, each file replaced whole."""
    pieces: dict[str, list[Path]] = {}
    for task in submission.tasks:
        for path in sorted(task_folder(submission, task, results).glob("records/*.jsonl")):
            if path.is_file():  # a pipe would be waited for
                pieces.setdefault(path.name, []).append(path)
    written = []
    for name, paths in sorted(pieces.items()):
        target = out / "records" / f"{submission.name}" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        content = b"".join(_whole(path.read_bytes()) for path in paths)
        if not target.exists() or target.read_bytes() != content:
            atomic_write(target, content)
        written.append(target)
    return written


def _whole(content: bytes) -> bytes:
    """Whole lines: a last one without its end counts where it is JSON, and is left out where it is torn."""
    whole, end, last = content.rpartition(b"\n")
    try:
        json.loads(last)
        return content + b"\n"
    except ValueError:
        return whole + end


def summary(found: list[State], queued: dict[int, str]) -> str:
    """One line: how many tasks and cells are done, with the engine and missing."""
    done = sum(state.complete for state in found)
    cells = sum(len(state.task.cells) for state in found)
    delivered = sum(len(state.delivered & set(state.task.cells)) for state in found)
    lost = len(missing(found, queued))
    return f"{done} of {len(found)} tasks done, {len([s for s in found if not s.complete and s.task.number in queued])} with the engine, {lost} missing; {delivered} of {cells} cells"


def document(found: list[State], queued: dict[int, str]) -> str:
    """All states as JSON."""
    rows = [
        {"task": s.task.number, "platform": s.task.platform, "board": s.task.board, "round": s.task.round, "block": s.task.block, "complete": s.complete,
         "delivered": len(s.delivered), "cells": len(s.task.cells), "failed": s.failed, "hosts": list(s.hosts), "engine": queued.get(s.task.number),
         "note": s.note}
        for s in found
    ]  # fmt: skip
    return json.dumps(rows, indent=1)
