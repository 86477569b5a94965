"""The lines of a record file, built in one place whoever writes them (see runner.records.schema for their fields)."""

from dataclasses import dataclass
from typing import Any, Dict, Optional, Sequence

from runner.records import schema
from runner.records.cell import Cell
from runner.records.file import utc_now
from runner.records.replicate import Replicate, replicates_of

Line = Dict[str, Any]


@dataclass(frozen=True)
class Origin:
    """What all lines of one invocation share: its run, its environment line, and what the matrix asked for."""

    run: str
    environment: Optional[str]
    protocol: Dict[str, Any]

    @property
    def seed(self) -> int:
        return self.protocol["seed"]


def environment(origin: Origin, facts: Dict[str, Any]) -> Line:
    """The line of the recorded facts, which stands before the lines that name it."""
    line = _begin("environment", origin.environment, origin)
    line.update(started_at=utc_now(), environment=facts)
    return line


def cell(
    origin: Origin,
    what: Cell,
    weights: str,
    content: Dict[str, Any],
    role: str = "cell",
    anchor: Optional[str] = None,
    order: int = 0,
    attempt: int = 1,
) -> Line:
    """A cell that is about to be measured; ``replicates`` and what came of it are added as they are known."""
    name = "/".join([origin.run, what.id, str(attempt)] + ([anchor] if anchor else []))
    line = _begin("cell", name, origin)
    line.update(
        environment=origin.environment, cell=what.as_dict(), cell_id=what.id, role=role, anchor=anchor, order=order, attempt=attempt
    )
    line.update(_well())
    line.update(started_at=utc_now(), weights=weights, weights_tag=None, seed=origin.seed, protocol=origin.protocol)
    line.update(content=content, asked=1, ended=None)
    line.update(replicates=[], parity=None, discarded=[], quality=[], sensitivity=None, complexity=None)
    return line


def replicate(line: Line, one: Replicate, parity: Optional[Dict[str, Any]]) -> Line:
    """The line of one replicate of a cell that isn't finished; ``line`` is the cell's as it stands."""
    name = "%s/r%d" % (line["id"], one.order)
    return dict(
        line, kind="replicate", id=name, replicates=[one.as_dict()], parity=parity, discarded=[], wall_s=one.wall_s, order=one.order
    )


def worse(parity: Optional[Dict[str, Any]], other: Optional[Dict[str, Any]]) -> Optional[Dict[str, Any]]:
    """Of two comparisons with the reference the one with the larger difference."""
    if parity is None or other is None:
        return parity or other
    return other if other["max_abs"] > parity["max_abs"] else parity


def so_far(replicates: Sequence[Line]) -> Line:
    """The cell that replicate lines of one attempt add up to, where no run lived to write it."""
    measured, parity = [replicates_of(line)[0] for line in replicates], None
    for line in replicates:
        parity = worse(parity, line["parity"])
    clean = [one for one in measured if not one.contended]
    kept = clean if len(clean) >= min(2, replicates[-1].get("asked") or 1) else measured
    line = dict(replicates[-1], kind="cell", id=replicates[-1]["id"].rpartition("/r")[0], parity=parity, ended="interrupted")
    line.update(replicates=[one.as_dict() for one in kept], discarded=[one.contention for one in measured if one not in kept])
    line.update(wall_s=sum(one.wall_s or 0.0 for one in measured))
    line["quality"] = ["contended"] if any(one.contended for one in kept) else []
    return line


def accuracy(origin: Origin, what: Cell, weights: str, part: Dict[str, Any], end: str, weights_tag: Optional[str] = None) -> Line:
    """A part of the images that are counted, or why they can't be; ``end`` tells the parts of a cell apart."""
    line = _begin("accuracy", "%s/%s/%s-%s" % (origin.run, what.id, part["data_id"], end), origin)
    line.update(environment=origin.environment, cell=what.as_dict(), cell_id=what.id)
    line.update(_well())
    line.update(started_at=utc_now(), wall_s=0.0, weights=weights, weights_tag=weights_tag, seed=origin.seed, accuracy=part)
    return line


def profile(origin: Origin, what: Cell, weights: str) -> Line:
    """Where a cell's time goes; ``profile`` is added when it is known."""
    line = _begin("profile", "%s/%s/profile" % (origin.run, what.id), origin)
    line.update(environment=origin.environment, cell=what.as_dict(), cell_id=what.id)
    line.update(_well())
    line.update(started_at=utc_now(), weights=weights, seed=origin.seed, profile=None)
    return line


def failed(line: Line, reason: str, phase: str, skip: bool = False, signal: Optional[str] = None, stderr: Optional[str] = None) -> None:
    """Note in a line why there is nothing to report."""
    line.update(status="skipped" if skip else "failed", reason=reason, phase=phase, signal=signal, stderr=None if skip else stderr)


def _begin(kind: str, name: Optional[str], origin: Origin) -> Line:
    return {"schema_version": schema.SCHEMA_VERSION, "kind": kind, "id": name, "run": origin.run}


def _well() -> Line:
    return {"status": "ok", "reason": None, "phase": None, "signal": None, "stderr": None}
