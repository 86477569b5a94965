"""A cell on its way to a record: the replicates that it has, and whether they are enough."""

from dataclasses import dataclass, field, replace
from typing import Any, Dict, List, Optional

from runner.machine import environment
from runner.measure import history, stopping
from runner.plan.protocol import Protocol
from runner.records import line as lines
from runner.records.cell import Cell
from runner.records.replicate import Replicate

LEAST_ADAPTIVE = 3  # replicates asked for, from which on disagreeing ones are joined by more
LEAST_CLEAN = 2  # replicates without contention that a cell needs, where so many are asked for


@dataclass
class Series:
    """One cell, its line as it stands, and what was measured of it, in this run and before."""

    cell: Cell
    line: lines.Line
    asked: int
    most: int
    retries: int
    estimate_s: float  # of one replicate
    is_prepared: bool = False
    replicates: List[Replicate] = field(default_factory=list)
    dropped: List[Replicate] = field(default_factory=list)  # contended, and to be replaced
    parity: Optional[Dict[str, Any]] = None
    process_interval: float = 0.05
    newest: Optional[Replicate] = None  # what add() took last

    @property
    def wanted(self) -> int:
        """Replicates that are still to be measured, as far as can be told now."""
        return max(1, self.asked - len(self.replicates))

    def add(self, one: Replicate, parity: Optional[Dict[str, Any]]) -> None:
        """Take a replicate; a contended one is dropped and replaced while there are retries left."""
        self.parity, self.newest = lines.worse(self.parity, parity), one
        if one.contended and len(self.dropped) < self.retries:
            self.dropped.append(one)
        else:
            self.replicates.append(one)

    @property
    def ended(self) -> Optional[str]:
        """Why no more replicates are needed; None while they are."""
        count = len(self.replicates)
        if count < self.asked:
            return None
        if self.asked < LEAST_ADAPTIVE or self.agrees:
            return "enough"
        return "limit" if count >= self.most else None

    @property
    def agrees(self) -> bool:
        medians = [stopping.median(one.samples_s) for one in self.replicates if not one.contended]
        width = stopping.between_processes(medians)
        return width is None or width <= self.process_interval

    def record(self, ended: Optional[str]) -> lines.Line:
        """The cell's line with what was measured; contended replicates stay only where there are too few clean ones."""
        clean = [one for one in self.replicates if not one.contended]
        kept = clean if len(clean) >= min(LEAST_CLEAN, self.asked) else self.replicates
        out = self.dropped + [one for one in self.replicates if not any(one is other for other in kept)]
        wall_s = sum(one.wall_s or 0.0 for one in self.dropped + self.replicates)
        return replace(
            self.line,
            replicates=kept,
            parity=self.parity,
            ended=ended,
            discarded=[one.contention for one in out],
            wall_s=max(self.line.wall_s or 0.0, wall_s),
            asked=self.asked,
        )


def series_for(
    cell: Cell,
    line: lines.Line,
    found: history.History,
    reason: str,
    protocol: Protocol,
    estimate_s: float,
    facts: Dict[str, Any],
    is_single: bool = False,
) -> "Series":
    """The Series of a cell that is due, with the replicates of earlier runs that may join it."""
    asked = 1 if is_single else protocol.replicates
    most = max(asked, protocol.max_replicates)
    retries = 0 if line.role == "sustained" else protocol.contention_retries
    series = Series(cell, line, asked, most, retries, estimate_s / asked, process_interval=protocol.process_interval)
    if is_single:
        return series
    base = found.last.whole(cell) if reason == history.UNFINISHED and cell in found.last else None
    if base and may_join(base, line.content, found, facts):
        for one in base.replicates:
            series.add(one, base.parity)
    for earlier in found.pending(cell):
        if may_join(earlier, line.content, found, facts):
            series.add(earlier.replicates[0], earlier.parity)
    return series


def may_join(earlier: lines.Line, content: Optional[Dict[str, Any]], found: history.History, facts: Dict[str, Any]) -> bool:
    """Whether replicates of an earlier line are of the same content, host, image and comparable facts as those of this run."""
    had, wanted = earlier.content or {}, content or {}
    if any(had.get(part) != wanted.get(part) for part in ("network", "protocol")):
        return False
    names = {one.environment for one in earlier.replicates} | {earlier.environment}
    for name in names:
        then = found.environment(name)
        if then is None or not environment.is_same_machine(then, facts):
            return False
    return True
