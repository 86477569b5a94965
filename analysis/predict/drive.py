"""Drives a search: each step writes a matrix, has `dyno run` measure it in a child process, and reads the records again."""

import re
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.errors import CantWrite, FrameError
from analysis.frame import frame as frames
from analysis.frame.metrics import MILLI
from analysis.predict import answer, path, search, searching
from analysis.predict.searching import State, Task
from runner.program import exits, workers
from runner.records.places import recorded_bytes

FINISHED = "# nothing more to measure"  # first line that --next prints when the search has ended
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
USUAL, ANY = 20, sys.maxsize  # networks to measure without a budget of time, and with one


@dataclass(frozen=True)
class Places:
    """Where records and the search's own files lie; `platform` where the records hold several."""

    results: Path
    platform: str | None = None


def seconds(text: str | None) -> float:
    """A time budget in seconds, infinite without one; raises FrameError."""
    if text is None:
        return float("inf")
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([smh])", text.strip())
    if not match:
        raise FrameError(f"--budget {text}: give a time as 90s, 15m or 2h")
    return float(match[1]) * UNITS[match[2]]


def frame_of(places: Places) -> pd.DataFrame | None:
    """The merged records of one platform; None while there are none of it. Raises FrameError where the platform is not clear."""
    folder = places.results / "records"
    if not folder.is_dir() or not any(folder.glob("*.jsonl")):
        return None
    try:
        frame = frames.merge([folder]).frame
    except FrameError:
        return None
    frame = frame[frame["source"].eq("records")]
    found = sorted(frame["platform"].unique())
    if places.platform is None and len(found) > 1:
        raise FrameError(f"{folder}: records of {', '.join(found)}; say which with --platform")
    mine = frame[frame["platform"].eq(places.platform or (found or [""])[0])]
    return mine if len(mine) else None


def empty_or(frame: pd.DataFrame | None) -> pd.DataFrame:
    """The frame, or an empty one with the columns that looking for a network's graph needs."""
    return pd.DataFrame({"model": [], "op_features": [], "input_px": []}) if frame is None else frame


def next_matrix(task: Task, places: Places, measurements: int) -> str:
    """The matrix of what to measure next as text; one that begins with FINISHED when there is nothing more."""
    now, way = _now(task, places)
    wanted = _wanted(now, way, measurements)
    if wanted is None:
        why = _why(now, way, measurements, False)
        _ended(places, now, why)
        return "\n".join([FINISHED, *(f"# {line}" for line in answer.text(now, why).splitlines())])
    row, count, why = wanted
    _asked(places, now, row, why, by_hand=True)
    return f"# {task.named(row)}: {why}\n{searching.matrix(task, row, count)}"


def run(task: Task, places: Places, measurements: int, budget_s: float, say: Callable[[str], Any]) -> str:
    """Search until the chance of a better network is small, or measurements or time are spent; returns the answer."""
    began, spent, steps = time.monotonic(), 0.0, 0
    in_vain: set[int | None] = set()
    now, way = _now(task, places)
    while True:
        left_s, usual_s = budget_s - (time.monotonic() - began), spent / max(steps, 1)
        wanted = _wanted(
            now, way, measurements, in_vain, len(now.records) >= search.START and left_s < (1 + searching.lacking(now)) * usual_s
        )
        if wanted is None or left_s <= 0:
            why = _why(now, way, measurements, left_s <= 0)
            _ended(places, now, why)
            return answer.text(now, why)
        row, count, why = wanted
        say(f"{len(way.asked) + (task.key(row) not in way.asked):3}  {task.named(row)}: {why}")
        _asked(places, now, row, why)
        since = time.monotonic()
        _measure(now, places, row, count)
        spent, steps = spent + time.monotonic() - since, steps + 1
        earlier = searching.again(now)
        if earlier is not None and earlier != row and earlier not in in_vain and budget_s - (time.monotonic() - began) > usual_s:
            # One more replicate of an earlier one, so that those of a finalist lie in different moments.
            _measure(now, places, earlier, searching.replicates(now, earlier) + 1)
        before, (now, way) = now, _now(task, places, [task.key(row)])
        _done(places, now, row)
        for one in (row, earlier):
            if one in before.records and searching.replicates(now, one) <= searching.replicates(before, one):
                in_vain.add(one)
        say(f"     {answer.outcome(now, row)}")


def _now(task: Task, places: Places, tried: Collection[path.Key] = ()) -> tuple[State, path.Way]:
    """What is known of a task; cells that were `tried` just now and left no record can't be measured here."""
    way = path.read(places.results, task.id, task.arms[0].device, task.batch_size)
    return searching.state(task, frame_of(places), way.left_out | frozenset(tried), way.twice), way


def _wanted(
    now: State, way: path.Way, measurements: int, in_vain: Collection[int | None] = (), hurry: bool = False
) -> tuple[int, int, str] | None:
    """(row, replicates, why) of the next cell; None when the search has ended.

    in_vain: rows that more replicates were asked of to no avail. hurry: the time that is left will do for the answer's replicates alone.
    """
    choice = now.choice
    again = searching.again(now)
    again = None if again in in_vain else again
    looked_at = sum(now.task.key(row) in way.asked for row in [*now.records, *now.reasons])
    if not choice.done and choice.row is not None and looked_at < measurements and not (hurry and again is not None):
        return choice.row, 1, choice.why
    return None if again is None else (again, searching.replicates(now, again) + 1, "once more, so that its interval is known")


def _asked(places: Places, now: State, row: int, why: str, by_hand: bool = False) -> None:
    task, choice = now.task, now.choice
    mean, half = choice.mean[row], search.Z90 * choice.sd[row]
    expected = {
        name: float(MILLI * np.exp(log)) for name, log in (("expected_ms", mean), ("low_ms", mean - half), ("high_ms", mean + half))
    }
    facts = {"top1": task.of(row)[0].top1, "limits": task.limits.given(), **expected, "chance": float(choice.chance[row]), "why": why}
    cell = path.cell_of(task.key(row), task.arms[0].device, task.batch_size)
    path.append(places.results, path.ASKED, task.id, cell | facts | ({"by_hand": True} if by_hand else {}))


def _done(places: Places, now: State, row: int) -> None:
    record = now.records.get(row)
    cell = path.cell_of(now.task.key(row), now.task.arms[0].device, now.task.batch_size)
    found = {"latency_ms": None if record is None else MILLI * float(record["latency_s"]), "meets": now.met(row)}
    path.append(places.results, path.DONE, now.task.id, cell | found | {"reason": now.reasons.get(row)} | _standing(now))


def _ended(places: Places, now: State, why: str) -> None:
    path.append(places.results, path.ENDED, now.task.id, {"answer": answer.text(now, why)} | _standing(now))


def _why(now: State, way: path.Way, measurements: int, late: bool) -> str:
    """Why the search ends here, and what would make it go on."""
    if now.choice.done:
        return "" if now.choice.best is None else "ended: it has hardly a chance left to find a better one"
    if late:
        return "ended: the time is spent; the same command goes on"
    return f"ended after {measurements} networks (--measurements); with more, or with --budget 15m, the same command goes on"


def _standing(now: State) -> dict[str, Any]:
    best = now.choice.best
    return {
        "best": None if best is None else now.task.named(best),
        "best_top1": None if best is None else float(now.pool.top1[best]),
        "doubt": now.choice.doubt,
        "measured": len(now.records),
    }


def _measure(now: State, places: Places, row: int, count: int) -> None:
    """Have `dyno run` measure one cell; raises FrameError where it can't begin."""
    matrix = searching.write(searching.matrix(now.task, row, count), places.results)
    command = [sys.executable, "-m", "runner", "run", "--matrix", str(matrix), "--results", str(places.results)]
    if row in now.records and now.records[row]["contended"]:
        command += ["--retry", "contended"]
    before = recorded_bytes(places.results)
    child = workers.run_child(command)
    if child.returncode == exits.INTERRUPTED:
        raise KeyboardInterrupt
    if child.returncode == exits.USAGE:
        raise FrameError(searching.complaint(child.stderr or child.stdout))
    if child.returncode != exits.FINE and recorded_bytes(places.results) == before:
        raise CantWrite(searching.complaint(child.stderr or child.stdout))
