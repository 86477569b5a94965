"""The lines of a record file, built in one place whoever writes them (see runner.records.schema for their fields)."""

from dataclasses import dataclass
from typing import Any, Dict, Optional

from runner.records import schema
from runner.records.cell import Cell
from runner.records.file import utc_now

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
    origin: Origin, what: Cell, weights: str, role: str = "cell", anchor: Optional[str] = None, order: int = 0, attempt: int = 1
) -> Line:
    """A cell that is about to be measured; ``replicates`` and what came of it are added as they are known."""
    name = "/".join([origin.run, what.id, str(attempt)] + ([anchor] if anchor else []))
    line = _begin("cell", name, origin)
    line.update(
        environment=origin.environment, cell=what.as_dict(), cell_id=what.id, role=role, anchor=anchor, order=order, attempt=attempt
    )
    line.update(_well())
    line.update(started_at=utc_now(), weights=weights, seed=origin.seed, protocol=origin.protocol)
    line.update(replicates=[], parity=None, discarded=[], quality=[], sensitivity=None, complexity=None)
    return line


def accuracy(origin: Origin, what: Cell, weights: str, part: Dict[str, Any], end: str) -> Line:
    """A part of the images that are counted, or why they can't be; ``end`` tells the parts of a cell apart."""
    line = _begin("accuracy", "%s/%s/%s-%s" % (origin.run, what.id, part["data_id"], end), origin)
    line.update(environment=origin.environment, cell=what.as_dict(), cell_id=what.id)
    line.update(_well())
    line.update(started_at=utc_now(), wall_s=0.0, weights=weights, seed=origin.seed, accuracy=part)
    return line


def failed(line: Line, reason: str, phase: str, skip: bool = False, signal: Optional[str] = None, stderr: Optional[str] = None) -> None:
    """Note in a line why there is nothing to report."""
    line.update(status="skipped" if skip else "failed", reason=reason, phase=phase, signal=signal, stderr=None if skip else stderr)


def _begin(kind: str, name: Optional[str], origin: Origin) -> Line:
    return {"schema_version": schema.SCHEMA_VERSION, "kind": kind, "id": name, "run": origin.run}


def _well() -> Line:
    return {"status": "ok", "reason": None, "phase": None, "signal": None, "stderr": None}
