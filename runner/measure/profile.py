"""Where a network's time goes, by operator: the framework's own counters, in a process that is never the timed one."""

import re
from dataclasses import replace
from typing import Any, Dict, List, Optional, Tuple

from runner import backends
from runner.measure import stopping
from runner.measure.job import MEASURE, PROFILE, Request
from runner.measure.outcome import Outcome
from runner.measure.session import Session, failed
from runner.networks.spec import ModelSpec
from runner.records import line as lines
from runner.records.cell import Cell

WARMUP, MOST, LONG_S = 3, 50, 1.0  # batches before, batches at most, seconds that are enough
GROUPS = (  # the first whose words are in an operator's type
    ("conv", r"conv"),
    ("matmul", r"gemm|matmul|linear|addmm|bmm|\bmm\b|fullyconnected|fully_connected|inner"),
    ("norm", r"norm|lrn"),
    ("pool", r"pool|reducemean|\bmean\b"),
    (
        "copy",
        r"concat|\bcat\b|reshape|transpose|reorder|copy|permute|flatten|pad|slice|split|gather|shuffle|cast|convert|memcpy|contiguous|fill|empty",
    ),
    (
        "elem",
        r"relu|clip|hardtanh|sigmoid|swish|silu|gelu|softmax|add|mul|sub|div|eltwise|elementwise|pointwise|clamp|tanh|exp|pow|subgraph|math",
    ),
)
OTHER = "other"


def group_of(operator: str) -> str:
    """The group of an operator by the words of its type; fused operators go with what costs most."""
    return next((name for name, words in GROUPS if re.search(words, operator.lower())), OTHER)


def profiled(backend: Any, batch: Any, phase: Any, clock: Any) -> Dict[str, Any]:
    """The record's ``profile`` but for ``timed_s``, measured in this process."""
    phase("load")
    backend.load()
    backend.stage(batch)
    phase("warm-up")
    began = clock()
    for _ in range(WARMUP):
        backend.infer()
    batches = max(1, min(MOST, int(LONG_S * WARMUP / max(1e-6, clock() - began))))
    phase("measure")
    began = clock()
    method, operators = backend.profile(batches)
    wall_s = clock() - began
    backend.close()
    return summed(method, operators, batches, wall_s)


def summed(method: str, operators: List[Tuple[str, int, float]], batches: int, wall_s: float) -> Dict[str, Any]:
    """Operators and their groups, per batch, the longest first."""
    found: List[Dict[str, Any]] = [
        {"type": kind, "group": group_of(kind), "count": count / float(batches), "s": s / batches} for kind, count, s in operators
    ]
    groups: Dict[str, Dict[str, float]] = {}
    for one in found:
        total = groups.setdefault(one["group"], {"count": 0.0, "s": 0.0})
        total["count"] += one["count"]
        total["s"] += one["s"]
    found.sort(key=lambda one: -one["s"])
    return {
        "method": method,
        "batches": batches,
        "operators": found,
        "groups": groups,
        "sum_s": sum(one["s"] for one in found),
        "wall_s": wall_s,
    }


def timed(line: lines.Line) -> Optional[float]:
    """The median of a cell's record, over its processes."""
    medians = [stopping.median(one.samples_s) for one in line.replicates]
    return stopping.median(medians) if medians else None


def time_and_profile(session: Session, cell: Cell) -> lines.Line:
    """Time a cell in one process, then profile it in another; the profile's line, of which nothing is kept where the timing failed."""
    spec = session.specs[cell.model]
    reason = backends.available(cell.base_backend)
    line = lines.profile(session.origin, cell, spec.weights)
    if reason:
        return lines.failed(line, reason, "import", is_skipped=True)
    prepared = session.preparer.prepare(cell, spec, backends.declared(cell.base_backend).needs)
    outcome = prepared if isinstance(prepared, Outcome) else None
    if outcome is None:
        request = Request(MEASURE, cell, spec, session.protocol, session.places.cache, session.threads)
        outcome = session.pool.run(cell.base_backend, request, session.protocol.timeout_s)
    if outcome.result is None:
        return failed(line, outcome)
    return profile_cell(session, cell, spec, stopping.median(outcome.result["samples_s"]))


def profile_cell(session: Session, cell: Cell, spec: ModelSpec, timed_s: Optional[float]) -> lines.Line:
    """Profile a cell whose files are there, and append the line of it; ``timed_s`` is its median where nobody watched."""
    line = lines.profile(session.origin, cell, spec.weights)
    request = Request(PROFILE, cell, spec, session.protocol, session.places.cache, session.threads)
    outcome: Outcome = session.pool.run(cell.base_backend, request, session.protocol.timeout_s)
    done = replace(line, profile=dict(outcome.result or {}, timed_s=timed_s))
    line = failed(line, outcome) if outcome.result is None else done
    session.append(line)
    return line
