"""What a record file already holds of a plan, and what of it is due: missing, stale, unfinished, or asked for again."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from runner.machine import environment
from runner.measure import stopping
from runner.networks import content
from runner.networks.spec import ModelSpec
from runner.plan.protocol import Protocol
from runner.records import check
from runner.records import file as record_file
from runner.records.cell import Cell, cell_from
from runner.records.replicate import replicates_of

Line = Dict[str, Any]
THREADS_RULE = "usable CPUs"  # how many threads a backend is given (see runner.machine.threads)
LACKING = ("import", "prepare", "load")  # phases in which a cell fails for what the machine lacks

MISSING, RETRIED, AGAIN, UNFINISHED = "missing", "to be tried again", "measured again as asked", "unfinished"


@dataclass
class History:
    """What a record file holds of one role; ``pending`` are the replicates after the last record of their cell."""

    attempts: Dict[Cell, int] = field(default_factory=dict)
    last: Dict[Cell, Line] = field(default_factory=dict)
    pending: Dict[Cell, List[Line]] = field(default_factory=dict)
    environments: Dict[str, Dict[str, Any]] = field(default_factory=dict)
    warnings: List[str] = field(default_factory=list)


def read(path: str, role: str = "cell", refuse_newer: bool = False) -> History:
    """The History of a record file; RecordError where a newer Dyno wrote in it and the caller wants to write, too."""
    found, strange, seen = History(), 0, set()
    lines, found.warnings = record_file.read(path, refuse_newer)
    for line in lines:
        kind = line.get("kind")
        if kind == "environment" and isinstance(line.get("id"), str) and isinstance(line.get("environment"), dict):
            found.environments[line["id"]] = line["environment"]
        elif kind == "cell" and not check.is_cell(line) or kind == "replicate" and not check.is_replicate(line):
            strange += 1
        elif kind == "cell" and line["role"] == role:
            cell = cell_from(line["cell"])
            found.attempts[cell] = max(found.attempts.get(cell, 0), line["attempt"])
            found.last[cell] = line
        elif kind == "replicate" and line["role"] == role and line["id"] not in seen:  # a repeated line counts once
            seen.add(line["id"])
            found.pending.setdefault(cell_from(line["cell"]), []).append(line)
    for cell, replicates in found.pending.items():
        found.pending[cell] = [line for line in replicates if line["attempt"] > found.attempts.get(cell, 0)]
    if strange:
        found.warnings.append("%s: %d line(s) are no records of a cell; set aside" % (path, strange))
    return found


def expected(cell: Cell, spec: ModelSpec, protocol: Protocol, sustained_s: float = 0.0) -> Dict[str, Any]:
    """The ``content`` that a record of the cell must have to count; its graph isn't known before it is made."""
    meaning = {"threads": THREADS_RULE, "sustained_s": sustained_s, "seed": protocol.seed}
    if cell.precision == "int8":
        meaning["calibration_images"] = protocol.calibration_images
    return {"network": content.digest(content.network(spec, protocol.seed)), "graph": None, "protocol": content.digest(meaning)}


def is_stale(line: Line, wanted: Dict[str, Any]) -> Optional[str]:
    """What of a record's content isn't what is asked for; None where all is, or where the record is too old to say."""
    had = line.get("content") or {}
    parts = {"network": "the network (its code, file, weights, classes or seed)", "protocol": "what the protocol measures"}
    changed = [what for part, what in parts.items() if had.get(part) is not None and had[part] != wanted[part]]
    return "%s changed" % " and ".join(changed) if changed else None


def missing(cells: Iterable[Cell], last: Dict[Cell, Line], retry: Sequence[str] = ()) -> List[Cell]:
    """The cells without a record, and those whose last record is one of ``retry`` (failed, contended, skipped)."""
    result = []
    for cell in cells:
        line = last.get(cell)
        states: Tuple[Any, ...] = () if line is None else (line.get("status"),) + tuple(line.get("quality") or ())
        if line is None or any(state in retry for state in states):
            result.append(cell)
    return result


def due(
    cells: Sequence[Cell],
    found: History,
    specs: Dict[str, ModelSpec],
    protocol: Protocol,
    retry: Sequence[str] = (),
    again: bool = False,
    sustained_s: float = 0.0,
    capabilities: Optional[Dict[str, Any]] = None,
) -> Dict[Cell, str]:
    """Why each cell that is to be measured is: MISSING, RETRIED, AGAIN, UNFINISHED, or what changed since it was measured."""
    asked = 1 if sustained_s else protocol.replicates
    absent = set(missing(cells, found.last, retry))
    reasons: Dict[Cell, str] = OrderedDict()
    for cell in cells:
        line = found.last.get(cell)
        if line is None or cell in absent:
            reasons[cell] = MISSING if line is None else RETRIED
            continue
        stale = is_stale(line, expected(cell, specs[cell.model], protocol, sustained_s))
        known = found.environments.get(str(line.get("environment")), {})
        gained = (
            capabilities
            and line["status"] != "ok"
            and _lacked(line)
            and environment.differing(environment.capabilities(known), capabilities)
        )
        if stale:
            reasons[cell] = stale
        elif again and line["status"] == "ok":
            reasons[cell] = AGAIN
        elif gained and known:
            reasons[cell] = "the machine changed (%s)" % ", ".join(gained[:3])
        elif line["status"] == "ok" and line.get("content") and (line.get("ended") == "interrupted" or (line.get("asked") or 0) < asked):
            reasons[cell] = UNFINISHED
    return reasons


def _lacked(line: Line) -> bool:
    """Whether a cell failed for what the machine lacked, and not for its own size."""
    return line.get("phase") in LACKING and " already failed: " not in (line.get("reason") or "") and line.get("signal") is None


def unknown_content(cells: Iterable[Cell], last: Dict[Cell, Line]) -> int:
    """Cells whose record is of an age when records did not say what was measured."""
    return sum(1 for cell in cells if cell in last and not last[cell].get("content"))


def overhead_s(lines: Iterable[Line]) -> Optional[float]:
    """Median over measuring processes of what the harness adds: fork to exit less load, copies, warm-up and samples."""
    extra = []
    for line in lines:
        for replicate in replicates_of(line):
            spans = replicate.spans
            parts = [spans.get(name) or 0.0 for name in ("load_s", "first_latency_s", "h2d_s", "d2h_s", "warmup_s", "measure_s")]
            if spans.get("process_s") is not None:
                extra.append(spans["process_s"] - sum(parts))
    return stopping.median(extra) if extra else None


def estimate_s(cell: Cell, protocol: Protocol, last: Dict[Cell, Line]) -> float:
    """Seconds that a cell will take: what it took before, else like the backend's others, else what the protocol allows."""
    if cell in last and last[cell].get("wall_s"):
        return last[cell]["wall_s"]
    like = sorted(
        line["wall_s"]
        for other, line in last.items()
        if other.backend == cell.backend and other.batch_size == cell.batch_size and line.get("wall_s") and line.get("status") == "ok"
    )
    if like:
        return like[len(like) // 2]
    per_replicate = min(protocol.max_time_s, 3 * protocol.min_time_s) + protocol.warmup_max_s / 2 + 0.7
    return protocol.replicates * per_replicate + 2.0
