"""The door for lines that SQL can't decide: the frame's own reader, in as many processes as there are CPUs, into a spool that SQL can."""

import json
import os
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from analysis import frame as frames
from analysis.merge.columns import packed


@dataclass(frozen=True)
class Job:
    """A record file to be read: its number in the cache, and where the rows go."""

    number: int
    path: str
    spool: str


def read(jobs: list[Job], processes: int | None = None) -> list[Counter]:
    """The problems of each file, whose good lines are in its spool afterwards."""
    count = min(len(jobs), processes or len(os.sched_getaffinity(0)))
    if count <= 1:
        return [_read(job) for job in jobs]
    with ProcessPoolExecutor(count, mp_context=get_context("fork")) as pool:
        return list(pool.map(_read, jobs, chunksize=1))


def _read(job: Job) -> Counter:
    with open(job.path, "rb") as content:
        return spooled(content, job)


def spooled(content: Iterable[bytes], job: Job) -> Counter:
    """Append the good lines of a content to the job's spool; what is set aside is counted."""
    problems: Counter = Counter()
    with open(job.spool, "a", encoding="utf-8") as spool:
        for line in frames.lines(content, Path(job.path), problems):
            row = {"rest": json.dumps(line.content)} if line.kind in ("environment", "accuracy") else packed(line.content)
            spool.write(json.dumps({"number": job.number, "kind": line.kind, "id": line.id, "row": row}) + "\n")
    return Counter({what: count for (_, what), count in problems.items()})
