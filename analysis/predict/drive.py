"""Drives a search: each step writes a matrix, has `dyno run` measure it in a child process, and reads the records again."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.errors import FrameError
from analysis.frame import frame as frames
from analysis.frame.metrics import MILLI
from analysis.predict import searching
from analysis.predict.candidates import Candidate
from analysis.predict.recommend import Limits
from analysis.predict.searching import State, Task

DONE = "# nothing more to measure"  # first line that --next prints when the search has ended
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Places:
    """Where records and the search's own files lie; `platform` where the records hold several."""

    results: Path
    platform: str | None = None

    @property
    def asked(self) -> Path:
        """The search's path: a line per cell that was asked for."""
        return self.results / "search" / "path.jsonl"


def seconds(text: str | None) -> float:
    """A time budget in seconds, infinite without one; raises FrameError."""
    if text is None:
        return float("inf")
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([smh])", text.strip())
    if not match:
        raise FrameError(f"--budget {text}: give a time as 90s, 15m or 2h")
    return float(match[1]) * UNITS[match[2]]


def frame_of(places: Places) -> pd.DataFrame | None:
    """The merged records of one platform; None while there are none. Raises FrameError where the platform is not clear."""
    folder = places.results / "records"
    if not folder.is_dir() or not any(folder.glob("*.jsonl")):
        return None
    try:
        frame = frames.merge([folder]).frame
    except FrameError:
        return None
    frame = frame[frame["source"].eq("records")]
    platforms = sorted(frame["platform"].unique())
    if places.platform is None and len(platforms) > 1:
        raise FrameError(f"{folder}: records of {', '.join(platforms)}; say which with --platform")
    if places.platform is not None and len(platforms) and places.platform not in platforms:
        raise FrameError(f"--platform {places.platform}: no records of it in {folder}; there are {', '.join(platforms)}")
    return frame[frame["platform"].eq(places.platform or platforms[0])] if len(platforms) else None


def empty_or(frame: pd.DataFrame | None) -> pd.DataFrame:
    """The frame, or an empty one with the columns that looking for a network's graph needs."""
    return pd.DataFrame({"model": [], "op_features": [], "input_px": []}) if frame is None else frame


def check(candidates: list[Candidate], limits: Limits) -> None:
    """Raise FrameError where no search can be begun."""
    if limits.latency_s is None and limits.memory_mb is None and limits.energy_j is None:
        raise FrameError(
            "a search needs a limit: --max-latency-ms, --max-memory-mb or --max-energy-j; without one the most accurate network wins"
        )
    if not candidates:
        raise FrameError(f"--min-top1 {limits.top1:g}: no known network is that accurate (with these licences); lower it")


def asked(places: Places, task: Task) -> list[tuple[str, int, str, str]]:
    """Cells at the task's batch size that were asked for by now."""
    found = []
    for line in places.asked.read_text(encoding="utf-8").splitlines() if places.asked.is_file() else []:
        try:
            cell = json.loads(line)
            if (cell["batch_size"], cell["device"]) == (task.batch_size, task.arms[0].device):
                found.append((str(cell["model"]), int(cell["input_px"]), str(cell["backend"]), str(cell["precision"])))
        except (ValueError, KeyError, TypeError):
            continue  # a line that a killed search left torn
    return found


def next_matrix(task: Task, places: Places, measurements: int) -> str:
    """The matrix of what to measure next as text; one that begins with DONE when there is nothing more."""
    now = searching.state(task, frame_of(places), asked(places, task))
    wanted = _wanted(now, measurements)
    if wanted is None:
        return "\n".join([DONE, *(f"# {line}" for line in searching.text(now).splitlines())])
    row, count, why = wanted
    _note(places, task, row, why)
    return f"# {task.named(row)}: {why}\n{searching.matrix(task, row, count)}"


def run(task: Task, places: Places, measurements: int, budget_s: float, say: Callable[[str], Any]) -> str:
    """Search until the chance of a better network is small, or measurements or time are spent; returns the answer."""
    began = time.monotonic()
    in_vain: set[int | None] = set()
    now = searching.state(task, frame_of(places), asked(places, task))
    while True:
        wanted = _wanted(now, measurements, in_vain)
        if wanted is None:
            return searching.text(now)
        if time.monotonic() - began > budget_s:
            return f"{searching.text(now)}\nthe time is spent; the same command goes on"
        row, count, why = wanted
        say(f"{len(now.records) + (row not in now.records):3}  {task.named(row)}: {why}")
        _note(places, task, row, why)
        _measure(task, places, row, count)
        earlier = searching.again(now)
        if earlier is not None and earlier != row and earlier not in in_vain:
            # One more replicate of an earlier one, so that those of a finalist lie in different moments.
            _measure(task, places, earlier, searching.replicates(now, earlier) + 1)
        before, now = now, searching.state(task, frame_of(places), asked(places, task))
        for one in (row, earlier):
            if one in before.records and searching.replicates(now, one) <= searching.replicates(before, one):
                in_vain.add(one)
        say(f"     {searching.outcome(now, row)}")


def _wanted(now: State, measurements: int, in_vain: Collection[int | None] = ()) -> tuple[int, int, str] | None:
    """(row, replicates, why) of the next cell; None when the search has ended. `in_vain`: rows that more replicates were asked of to no avail."""
    choice = now.choice
    if not choice.done and choice.row is not None and len(now.records) < measurements:
        return choice.row, 1, choice.why
    again = searching.again(now)
    if again is None or again in in_vain:
        return None
    return again, searching.replicates(now, again) + 1, "once more, so that its interval is known"


def _note(places: Places, task: Task, row: int, why: str) -> None:
    candidate, arm = task.of(row)
    places.asked.parent.mkdir(parents=True, exist_ok=True)
    line = {"model": candidate.model, "input_px": candidate.input_px, "backend": arm.backend, "precision": arm.precision, "device": arm.device,
            "batch_size": task.batch_size, "limit_ms": None if task.limits.latency_s is None else MILLI * task.limits.latency_s, "why": why,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}  # fmt: skip
    with open(places.asked, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _measure(task: Task, places: Places, row: int, count: int) -> None:
    """Have `dyno run` measure one cell; raises FrameError where it can't begin."""
    path = places.asked.parent / "next.yaml"
    path.write_text(searching.matrix(task, row, count), encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "runner", "run", "--matrix", str(path), "--results", str(places.results)],
                          capture_output=True, text=True)  # fmt: skip
    if done.returncode == 2:
        raise FrameError(f"dyno run: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
