"""What a record file already holds of a plan, and what of it is due: missing, stale, unfinished, or asked for again."""

from collections import OrderedDict
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from runner.machine import environment, threads
from runner.networks import content
from runner.networks.spec import ModelSpec
from runner.plan.protocol import Protocol
from runner.records import file as record_file
from runner.records import index
from runner.records.cell import Cell
from runner.records.index import Summary
from runner.records.line import Line, line_from

LACKING = ("import", "prepare", "load")  # phases in which a cell fails for what the machine lacks

MISSING, RETRIED, AGAIN, UNFINISHED = "missing", "to be tried again", "measured again as asked", "unfinished"


class History:
    """What a record file holds of one role: the last record of each cell, shortened, and what of it may be gone on with."""

    def __init__(self, found: index.Index, role: str = "cell") -> None:
        self._index, self._role = found, role
        self._read: Dict[Any, Any] = {}  # whole lines, by what they are of
        self.last = index.Last(found, role)
        self.warnings = record_file.warnings(found.path, found.bad, found.other)
        if found.strange:
            self.warnings.append("%s: %s no records of a cell; set aside" % (found.path, record_file.lines_are(found.strange)))

    def pending(self, cell: Cell) -> List[Line]:
        """The replicates after the last record of a cell."""
        if cell not in self._read:
            some = self._index.pending.get(self._role, {}).get(cell, [])
            self._read[cell] = [line_from(self._index.line_at(one.offset, one.length)) for one in some]
        return list(self._read[cell])

    def environment(self, name: Any) -> Optional[Dict[str, Any]]:
        """The facts of a line of kind environment, by its id; None where there is no such line."""
        if name not in self._read:
            place = self._index.environments.get(name)
            self._read[name] = self._index.line_at(*place)["environment"] if place else None
        facts: Optional[Dict[str, Any]] = self._read[name]
        return facts


def read(path: str, role: str = "cell", refuse_newer: bool = False) -> History:
    """The History of a record file; RecordError where a newer Dyno wrote in it and the caller wants to write, too."""
    found = index.read(path)
    if refuse_newer and found.newer:
        record_file.refuse(path, found.newer)
    return History(found, role)


def expected(cell: Cell, spec: ModelSpec, protocol: Protocol, sustained_s: float = 0.0) -> Dict[str, Any]:
    """The ``content`` that a record of the cell must have to count; its graph isn't known before it is made."""
    meaning = {"threads": threads.for_backends(protocol.threads).rule, "sustained_s": sustained_s, "seed": protocol.seed}
    if cell.precision == "int8":
        meaning["calibration_images"] = protocol.calibration_images
    return {"network": content.digest(content.network(spec, protocol.seed)), "graph": None, "protocol": content.digest(meaning)}


def is_stale(record: Summary, wanted: Dict[str, Any]) -> Optional[str]:
    """What of a record's content isn't what is asked for; None where all is, or where the record is too old to say."""
    had = record.content or {}
    parts = {"network": "the network (its code, file, weights, classes or seed)", "protocol": "what the protocol measures"}
    changed = [what for part, what in parts.items() if had.get(part) is not None and had[part] != wanted[part]]
    return "%s changed" % " and ".join(changed) if changed else None


def missing(cells: Iterable[Cell], last: Mapping[Cell, Summary], retry: Sequence[str] = ()) -> List[Cell]:
    """The cells without a record, and those whose last record is one of ``retry`` (failed, contended, skipped)."""
    result = []
    for cell in cells:
        line = last.get(cell)
        states: Tuple[Any, ...] = () if line is None else (line.status,) + tuple(line.quality)
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
    wanted: Dict[Tuple[str, str], Dict[str, Any]] = {}
    for cell in cells:
        line = found.last.get(cell)
        if line is None or cell in absent:
            reasons[cell] = MISSING if line is None else RETRIED
            continue
        kind = (cell.model, cell.precision)
        if kind not in wanted:
            wanted[kind] = expected(cell, specs[cell.model], protocol, sustained_s)
        stale = is_stale(line, wanted[kind])
        known = (line.status != "ok" and found.environment(line.environment)) or {}
        gained = (
            capabilities and line.status != "ok" and _lacked(line) and environment.differing(environment.capabilities(known), capabilities)
        )
        if stale:
            reasons[cell] = stale
        elif again and line.status == "ok":
            reasons[cell] = AGAIN
        elif gained and known:
            reasons[cell] = "the machine changed (%s)" % ", ".join(gained[:3])
        elif line.status == "ok" and line.content and (line.ended == "interrupted" or (line.asked or 0) < asked):
            reasons[cell] = UNFINISHED
    return reasons


def _lacked(line: Summary) -> bool:
    """Whether a cell failed for what the machine lacked, and not for its own size."""
    return line.phase in LACKING and " already failed: " not in (line.reason or "") and line.signal is None


def unknown_content(cells: Iterable[Cell], last: Mapping[Cell, Summary]) -> int:
    """Cells whose record is of an age when records did not say what was measured."""
    return sum(1 for cell in cells if cell in last and not last[cell].content)


def estimates_s(cells: Sequence[Cell], protocol: Protocol, last: Mapping[Cell, Summary]) -> Dict[Cell, float]:
    """Seconds that each cell will take: what it took before, else like the backend's others, else what the protocol allows."""
    took: Dict[Cell, float] = {}
    like: Dict[Tuple[str, int], List[float]] = {}
    for cell, line in last.items():
        if line.wall_s:
            took[cell] = line.wall_s
            if line.status == "ok":
                like.setdefault((cell.backend, cell.batch_size), []).append(line.wall_s)
    middle = {key: sorted(some)[len(some) // 2] for key, some in like.items()}
    per_replicate = min(protocol.max_time_s, 3 * protocol.min_time_s) + protocol.warmup_max_s / 2 + 0.7
    unknown = protocol.replicates * per_replicate + 2.0
    return {cell: took.get(cell) or middle.get((cell.backend, cell.batch_size), unknown) for cell in cells}
