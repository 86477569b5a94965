"""The door for lines that SQL can't decide: the frame's own reader, in as many processes as there are CPUs, into a spool that SQL can."""

import os
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import BinaryIO

from analysis.frame import entries, quick_json
from analysis.merge.columns import packed
from runner.program import workers


@dataclass(frozen=True)
class File:
    """A record file by its number in the cache."""

    number: int
    path: str


@dataclass(frozen=True)
class Job:
    """Record files that one process reads, and where their rows go."""

    files: tuple[File, ...]
    spool: str


def read(jobs: list[Job], processes: int | None = None) -> list[dict[str, int]]:
    """The problems of each file in the jobs' order; their good lines are in the spools afterwards."""
    count = min(len(jobs), processes or workers.count())
    if count <= 1:
        return [problems for job in jobs for problems in _read(job)]
    with ProcessPoolExecutor(count, mp_context=get_context("fork"), initializer=workers.in_pool, initargs=(os.getpid(),)) as pool:
        return [problems for found in pool.map(_read, jobs, chunksize=1) for problems in found]


def _read(job: Job) -> list[dict[str, int]]:
    found = []
    with open(job.spool, "ab") as spool:
        for file in job.files:
            try:
                content = open(file.path, "rb")
            except OSError as error:
                found.append({f"can't be read: {error.strerror}": 1})
                continue
            with content:
                found.append(spooled(content, file, spool))
    return found


def spooled(content: Iterable[bytes], file: File, spool: BinaryIO) -> dict[str, int]:
    """Append the good lines of a file's content to a spool; what is set aside is counted."""
    problems: Counter = Counter()
    for entry in entries.entries(content, Path(file.path), problems):
        nested = entry.kind in ("environment", "accuracy", "profile")
        row = {"rest": quick_json.dumps(entry.content).decode()} if nested else packed(entry.content)
        spool.write(quick_json.dumps({"number": file.number, "kind": entry.kind, "id": entry.id, "row": row}) + b"\n")
    return {what: count for (_, what), count in problems.items()}
