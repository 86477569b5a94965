"""The lines of a record file, built in one place whoever writes them (see runner.records.schema for their fields)."""

from dataclasses import dataclass, field, fields, replace
from typing import Any, Dict, List, Mapping, Optional, Sequence

from runner.records import schema
from runner.records.cell import Cell, cell_from
from runner.records.file import utc_now
from runner.records.replicate import Replicate, replicates_of

# fields of a Line that only some kinds of line have; the others all have
MEASURED = frozenset(
    "role anchor order attempt protocol content asked ended replicates parity discarded quality sensitivity complexity load harness".split()
)
KINDS = {"cell": MEASURED, "replicate": MEASURED, "accuracy": frozenset(["accuracy"]), "profile": frozenset(["profile"])}
LATER = ("load", "harness")  # not there before the cell is measured


@dataclass(frozen=True)
class Origin:
    """What all lines of one invocation share: its run, its environment line, and what the matrix asked for."""

    run: str
    environment: Optional[str]
    protocol: Dict[str, Any]

    @property
    def seed(self) -> int:
        seed: int = self.protocol["seed"]
        return seed


@dataclass(frozen=True)
class Line:
    """A line about one cell: of kind ``cell``, ``replicate``, ``accuracy`` or ``profile``; runner.records.schema says what each field means."""

    kind: str
    id: str
    run: str
    environment: Optional[str]
    cell: Cell
    status: str = "ok"
    reason: Optional[str] = None
    phase: Optional[str] = None
    signal: Optional[str] = None
    stderr: Optional[str] = None
    started_at: Optional[str] = None
    wall_s: Optional[float] = None
    weights: Optional[str] = None
    weights_tag: Optional[str] = None
    seed: Optional[int] = None
    role: str = "cell"
    anchor: Optional[str] = None
    order: int = 0
    attempt: int = 1
    protocol: Dict[str, Any] = field(default_factory=dict)
    content: Optional[Dict[str, Any]] = None
    asked: Optional[int] = None
    ended: Optional[str] = None
    replicates: List[Replicate] = field(default_factory=list)
    parity: Optional[Dict[str, Any]] = None
    discarded: List[Dict[str, Any]] = field(default_factory=list)
    quality: List[str] = field(default_factory=list)
    sensitivity: Optional[float] = None
    complexity: Optional[Dict[str, Any]] = None
    load: Optional[Dict[str, Any]] = None
    harness: Optional[Dict[str, float]] = None
    accuracy: Optional[Dict[str, Any]] = None
    profile: Optional[Dict[str, Any]] = None
    more: Dict[str, Any] = field(default_factory=dict)  # what a later Dyno of the same schema, or a fleet, wrote beside

    def as_dict(self) -> Dict[str, Any]:
        """The line as it stands in the file, with the fields of its kind."""
        foreign = {name for names in KINDS.values() for name in names}.difference(KINDS[self.kind])
        plain: Dict[str, Any] = {"schema_version": schema.SCHEMA_VERSION}
        for name, value in vars(self).items():
            if name == "cell":
                plain.update(cell=self.cell.as_dict(), cell_id=self.cell.id)
            elif name == "replicates" and name not in foreign:
                plain[name] = [one.as_dict() for one in self.replicates]
            elif name != "more" and name not in foreign and not (value is None and name in LATER):
                plain[name] = value
        return dict(plain, **self.more)


KNOWN = frozenset(one.name for one in fields(Line)) - {"cell", "replicates", "more"}


def line_from(plain: Mapping[str, Any]) -> Line:
    """The Line of what stands in a file; KeyError or TypeError if it is about no cell."""
    known = {name: value for name, value in plain.items() if name in KNOWN}
    more = {name: value for name, value in plain.items() if name not in KNOWN}
    for name in ("schema_version", "cell", "cell_id", "replicates"):
        more.pop(name, None)
    return Line(cell=cell_from(plain["cell"]), replicates=replicates_of(plain), more=more, **known)


def environment(origin: Origin, facts: Dict[str, Any]) -> Dict[str, Any]:
    """The line of the recorded facts, which stands before the lines that name it."""
    head = {"schema_version": schema.SCHEMA_VERSION, "kind": "environment", "id": origin.environment, "run": origin.run}
    return dict(head, started_at=utc_now(), environment=facts)


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
    line = _begun("cell", name, origin, what, weights)
    return replace(line, role=role, anchor=anchor, order=order, attempt=attempt, protocol=origin.protocol, content=content, asked=1)


def replicate(line: Line, one: Replicate, parity: Optional[Dict[str, Any]]) -> Line:
    """The line of one replicate of a cell that isn't finished; ``line`` is the cell's as it stands."""
    name = "%s/r%d" % (line.id, one.order)
    return replace(line, kind="replicate", id=name, replicates=[one], parity=parity, discarded=[], wall_s=one.wall_s, order=one.order)


def worse(parity: Optional[Dict[str, Any]], other: Optional[Dict[str, Any]]) -> Optional[Dict[str, Any]]:
    """Of two comparisons with the reference the one with the larger difference."""
    if parity is None or other is None:
        return parity or other
    return other if other["max_abs"] > parity["max_abs"] else parity


def so_far(replicates: Sequence[Line]) -> Line:
    """The cell that replicate lines of one attempt add up to, where no run lived to write it."""
    measured, parity = [line.replicates[0] for line in replicates], None
    for line in replicates:
        parity = worse(parity, line.parity)
    last = replicates[-1]
    clean = [one for one in measured if not one.contended]
    kept = clean if len(clean) >= min(2, last.asked or 1) else measured
    return replace(
        last,
        kind="cell",
        id=last.id.rpartition("/r")[0],
        parity=parity,
        ended="interrupted",
        replicates=kept,
        discarded=[one.contention for one in measured if one not in kept],
        wall_s=sum(one.wall_s or 0.0 for one in measured),
        quality=["contended"] if any(one.contended for one in kept) else [],
    )


def accuracy(origin: Origin, what: Cell, weights: str, part: Dict[str, Any], end: str, weights_tag: Optional[str] = None) -> Line:
    """A part of the images that are counted, or why they can't be; ``end`` is unique among a cell's parts."""
    name = "%s/%s/%s-%s" % (origin.run, what.id, part["data_id"], end)
    return replace(_begun("accuracy", name, origin, what, weights), wall_s=0.0, weights_tag=weights_tag, accuracy=part)


def profile(origin: Origin, what: Cell, weights: str) -> Line:
    """Where a cell's time goes; ``profile`` is added when it is known."""
    return _begun("profile", "%s/%s/profile" % (origin.run, what.id), origin, what, weights)


def failed(
    line: Line, reason: str, phase: str, is_skipped: bool = False, signal: Optional[str] = None, stderr: Optional[str] = None
) -> Line:
    """The line with why there is nothing to report."""
    status = "skipped" if is_skipped else "failed"
    return replace(
        line, status=status, reason=reason, phase=phase, signal=signal, stderr=None if is_skipped and phase != "prepare" else stderr
    )


def _begun(kind: str, name: str, origin: Origin, what: Cell, weights: str) -> Line:
    return Line(kind, name, origin.run, origin.environment, what, started_at=utc_now(), weights=weights, seed=origin.seed)
