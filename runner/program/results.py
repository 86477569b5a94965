"""Records as a person reads them in a terminal: a line a cell, a table of a run, how many are clean, what to type next."""

import os
import shlex
from statistics import median
from typing import Any, Dict, List, Optional, Sequence, Union

from runner.program.terminal import plain, table
from runner.records.cell import Cell
from runner.records.index import Summary
from runner.records.line import Line
from runner.records.replicate import Replicate

AXES = ("network", "backend", "precision", "batch", "input", "scenario", "device")
NUMBERS = ("batch", "input", "median", "lowest", "highest")
MOST_ROWS = 60

Record = Union[Line, Summary]


def axes(cell: Cell) -> List[str]:
    """A cell under AXES."""
    return list(map(str, (cell.model, cell.backend, cell.precision, cell.batch_size, cell.input_px, cell.scenario, cell.device)))


def replicate_medians_s(line: Line) -> List[float]:
    """The median of each measuring process, in seconds per batch."""
    return [median(replicate.samples_s) for replicate in line.replicates if replicate.samples_s]


def milliseconds(seconds: float) -> str:
    """About four digits and the unit; what takes no tenth of a millisecond in microseconds."""
    value = 1e3 * seconds
    if value < 0.1:
        return "%.2f us" % (1e3 * value)
    digits = 3 if value < 10 else 2 if value < 100 else 1
    return "%.*f ms" % (digits, value)


def labels(line: Record) -> List[str]:
    return list(map(str, line.quality))


def times(line: Line) -> List[str]:
    """Median of the processes, the lowest and the highest of them; dashes where nothing was timed."""
    found = replicate_medians_s(line)
    return [milliseconds(value) for value in (median(found), min(found), max(found))] if found else ["-", "-", "-"]


def verdict(line: Record) -> str:
    """What a reader must know: nothing, the labels, or why there is no time."""
    return ", ".join(labels(line)) if line.status == "ok" else "%s: %s" % (line.status, line.reason)


def named(cell: Cell) -> str:
    """A cell in words."""
    what = "%s, %s %s, batch %s, %s px" % (cell.model, cell.backend, cell.precision, cell.batch_size, cell.input_px)
    return what if cell.scenario == "latency" else "%s, %s" % (what, cell.scenario)


def first_numbers(cell: Cell, replicate: Replicate) -> str:
    """A cell and what one replicate of it measured, on one line."""
    said = "  [contended]" if replicate.contended else ""
    return plain("%s: %s%s" % (named(cell), milliseconds(median(replicate.samples_s)) if replicate.samples_s else "-", said))


def sentence(line: Line) -> str:
    """One cell and what came of it, on one line."""
    what = named(line.cell)
    if line.status != "ok":
        return plain("%s: %s" % (what, verdict(line)))
    middle, low, high = times(line)
    said = verdict(line)
    return plain("%s: %s (%s to %s)%s" % (what, middle, low, high, "  [%s]" % said if said else ""))


def measured(lines: Sequence[Line]) -> str:
    """The table at the end of a run."""
    rows = [axes(line.cell) + times(line) + [verdict(line)] for line in lines]
    text = table(AXES + ("median", "lowest", "highest", "labels"), rows[:MOST_ROWS], NUMBERS)
    return text + ("\n(%d more are in the record file)" % (len(rows) - MOST_ROWS) if len(rows) > MOST_ROWS else "")


def cleanliness(lines: Sequence[Record]) -> str:
    """How many cells are clean, how many have a reservation and which, how many were left out."""
    timed = [line for line in lines if line.status == "ok"]
    doubtful = [line for line in timed if labels(line)]
    parts = ["%d clean" % (len(timed) - len(doubtful))]
    if doubtful:
        parts.append("%d with a reservation (%s)" % (len(doubtful), _counted(label for line in doubtful for label in labels(line))))
    left_out = [line.status for line in lines if line.status != "ok"]
    if left_out:
        parts.append("%d left out (%s)" % (len(left_out), _counted(left_out)))
    return ", ".join(parts)


def _counted(words: Any) -> str:
    counts: Dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return ", ".join("%d %s" % (counts[word], word) for word in sorted(counts))


def command(name: str, options: Dict[str, Any]) -> str:
    """A command to type: ``options`` without a value are left out. In a container that make started it is one of make's."""
    words: List[str] = []
    for option, value in options.items():
        for one in value if isinstance(value, (list, tuple)) else [value] if value else []:
            words += [option, shlex.quote(str(one))]
    target = os.environ.get("DYNO_MAKE")
    if target and name in ("run", "report"):
        given = ' ARGS="%s"' % " ".join(words) if words else ""
        return "make %s%s" % (target if name == "run" else name, given)
    return " ".join(["dyno", name] + words)


def next_command(lines: Sequence[Record], left: int, options: Dict[str, Any]) -> Optional[str]:
    """What to type next: go on, measure again what is in doubt, or read the report. ``options`` are those of this run."""
    if left:
        return command("run", options)
    for state in ("failed", "contended"):
        if any(line.status == state or state in labels(line) for line in lines):
            return command("run", dict(options, **{"--retry": state}))
    return command("report", {"--results": options.get("--results")})
