"""What a record file already holds of a plan, and what of it is missing."""

from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from runner.measure import stopping
from runner.plan.protocol import Protocol
from runner.records import check
from runner.records import file as record_file
from runner.records.cell import Cell, cell_from

Line = Dict[str, Any]
History = NamedTuple("History", [("attempts", Dict[Cell, int]), ("last", Dict[Cell, Line]), ("warnings", List[str])])


def read(path: str, role: str = "cell") -> History:
    """What a record file holds of one role: attempts and last record by cell."""
    attempts: Dict[Cell, int] = {}
    last: Dict[Cell, Line] = {}
    strange = 0
    lines, warnings = record_file.read(path)
    for line in lines:
        if line.get("kind") == "cell" and not check.is_cell(line):
            strange += 1
        elif line.get("kind") == "cell" and line["role"] == role:
            cell = cell_from(line["cell"])
            attempts[cell] = max(attempts.get(cell, 0), line["attempt"])
            last[cell] = line
    if strange:
        warnings.append("%s: %d line(s) are no records of a cell; set aside" % (path, strange))
    return History(attempts, last, warnings)


def missing(cells: Iterable[Cell], last: Dict[Cell, Line], retry: Sequence[str] = ()) -> List[Cell]:
    """The cells without a record, and those whose last record is one of ``retry`` (failed, contended, skipped)."""
    result = []
    for cell in cells:
        line = last.get(cell)
        states: Tuple[Any, ...] = () if line is None else (line.get("status"),) + tuple(line.get("quality") or ())
        if line is None or any(state in retry for state in states):
            result.append(cell)
    return result


def overhead_s(lines: Iterable[Line]) -> Optional[float]:
    """Median over measuring processes of what the harness adds: fork to exit less load, copies, warm-up and samples."""
    extra = []
    for line in lines:
        for replicate in line.get("replicates") or ():
            spans = replicate.get("spans") or {}
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
