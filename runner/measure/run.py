"""A run: measure what is missing of a plan, in rounds, one record per cell, whatever dies on the way."""

import random
import time
from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, List, Optional, Sequence

from runner.measure import history, labels, profile, series
from runner.measure.bench import Bench
from runner.measure.outcome import Outcome
from runner.measure.session import Session
from runner.plan.matrix import Matrix
from runner.records import file as record_file
from runner.records import line as lines
from runner.records import schema
from runner.records.cell import Cell
from runner.records.places import Places
from runner.records.replicate import Replicate

ANCHORS = ("start", "middle", "end")


@dataclass(frozen=True)
class Progress:
    """Where a run stands; handed to the ``report`` callback before and after each replicate.

    ``done`` of ``total`` cells are finished; the cell is the ``place``-th of ``places`` in this ``round``. ``line`` is the record that
    was just written, if the cell is finished; ``replicate`` what was just measured of a cell that isn't.
    """

    cell: Cell
    role: str
    done: int
    total: int
    remaining_s: float
    line: Optional[lines.Line] = None
    replicate: Optional[Replicate] = None
    round: int = 1
    place: int = 0
    places: int = 0


class Run:
    """One invocation of `dyno run`: what is measured, and in which order."""

    def __init__(
        self,
        loaded: Matrix,
        places: Places,
        platform: str,
        report: Optional[Callable[[Progress], None]] = None,
    ) -> None:
        self.session = Session(loaded, places, platform)
        self.bench = Bench(self.session)
        self.protocol = loaded.protocol
        self.report = report or (lambda progress: None)
        self.counts = dict.fromkeys(schema.STATUSES, 0)
        self.warnings: List[str] = []
        self.notes: List[str] = []  # what the run found stale, unfinished or too old to judge

    def execute(
        self,
        cells: Sequence[Cell],
        retry: Sequence[str] = (),
        time_budget_s: Optional[float] = None,
        sustained_s: float = 0.0,
        again: bool = False,
        only_round: int = 0,
    ) -> int:
        """Measure what is due of ``cells``; returns the number of cells left for another run.

        In rounds: each cell once in random order, then each again, so that the replicates of a cell see different moments. With
        ``sustained_s`` each cell is run on end for so long in one process; such records have a role of their own. With ``again``
        cells that are done are measured again. With ``only_round`` this run is one round of several runs and its replicates say which.
        """
        self.only_round = only_round
        self.role, self.sustained_s = ("sustained" if sustained_s else "cell"), sustained_s
        path = self.session.record_path
        with record_file.RecordFile(path) as self.session.file:
            found = history.read(path, self.role, refuse_newer=True)
            self.warnings = self.session.file.warnings + found.warnings
            facts = self.session.facts()
            specs = self.session.specs
            due = history.due(cells, found, specs, self.protocol, retry, again, sustained_s, facts["capabilities"])
            self._explain(cells, due, found)
            if not due:
                return 0
            for cell, line in found.last.items():  # what earlier runs found too large
                if cell not in due and line.status == "failed":
                    self.bench.note_if_too_large(cell, Outcome(reason=line.reason, stderr=line.stderr, phase=line.phase or ""))
            self.bench.open(facts)
            estimates = history.estimates_s(list(due), self.protocol, found.last)
            todo = [self._series(cell, reason, found, facts, estimates[cell]) for cell, reason in due.items()]
            self._count_left_out(todo, found)
            try:
                return self._rounds(todo, time_budget_s)
            finally:
                self.session.close()

    def _explain(self, cells: Sequence[Cell], due: Dict[Cell, str], found: history.History) -> None:
        """Say what is measured again and why, and which old records can't be judged."""
        known = (history.MISSING, history.RETRIED, history.AGAIN)
        for reason in sorted(set(due.values()).difference(known)):
            chosen = [cell.id for cell in due if due[cell] == reason]
            more = " and %d more" % (len(chosen) - 1) if len(chosen) > 1 else ""
            self.notes.append(
                "measuring %s%s again: %s" % (chosen[0], more, reason)
                if reason != history.UNFINISHED
                else "continuing %s%s: fewer replicates than asked" % (chosen[0], more)
            )
        old = history.unknown_content([cell for cell in cells if cell not in due], found.last)
        if old:
            what = "1 record counts" if old == 1 else "%d records count" % old
            self.notes.append("%s as done, content unknown: written before records said what was measured" % what)

    def _count_left_out(self, todo: List[series.Series], found: history.History) -> None:
        pending = sum(len(found.pending(one.cell)) for one in todo)
        joined = {replicate.key for one in todo for replicate in one.replicates + one.dropped}
        left_out = pending - sum(line.replicates[0].key in joined for one in todo for line in found.pending(one.cell))
        if left_out > 0:
            what = "1 replicate of an earlier run is" if left_out == 1 else "%d replicates of earlier runs are" % left_out
            self.notes.append("%s left out: what was measured, or the machine, has changed" % what)

    def _series(self, cell: Cell, reason: str, found: history.History, facts: Dict[str, Any], took_s: float) -> series.Series:
        spec, attempt = self.session.specs[cell.model], found.last.attempts(cell) + 1
        wanted = history.expected(cell, spec, self.protocol, self.sustained_s)
        line = lines.cell(self.session.origin, cell, spec.weights, wanted, self.role, attempt=attempt)
        estimate_s = self.sustained_s + 5.0 if self.sustained_s else took_s
        return series.series_for(cell, line, found, reason, self.protocol, estimate_s, facts, is_single=bool(self.sustained_s))

    def _rounds(self, todo: List[series.Series], time_budget_s: Optional[float]) -> int:
        started, rounds, total = time.monotonic(), 0, len(todo)
        shuffle = random.Random(self.session.order_seed).shuffle
        left = [one for one in todo if not one.ended]
        try:
            for one in todo:
                if one.ended:  # the run that measured it was killed before it could say so
                    self._finish(one, one.record(one.ended), total - len(left), total)
            is_long = not self.sustained_s and 0 < self.protocol.anchor_from <= total
            anchors = list(ANCHORS) if is_long and left else []
            quick = min(left, key=lambda one: (one.cell.scenario != "latency", one.estimate_s, one.cell.id)) if anchors else None
            if quick:
                self._anchor(anchors.pop(0), quick, self.only_round)
            steps = sum(one.wanted for one in left)
            taken = 0
            while left:
                rounds += 1
                round_ = self.only_round or rounds
                if rounds > 1:
                    self.session.pool.close()  # a new worker has another address layout and hash seed
                shuffle(left)
                if self.session.pool.one_at_a_time:
                    names = sorted({one.cell.base_backend for one in left})
                    shuffle(names)
                    left.sort(key=lambda one: names.index(one.cell.base_backend))
                is_idle, here = True, list(left)
                for place, one in enumerate(here, 1):
                    pace = self.bench.pace
                    if time_budget_s is not None and time.monotonic() - started + pace * one.estimate_s > time_budget_s:
                        continue
                    is_idle = False
                    remaining_s = pace * sum(other.estimate_s * other.wanted for other in left)
                    now = Progress(one.cell, self.role, total - len(left), total, remaining_s, None, None, round_, place, len(here))
                    self.report(now)
                    line = self.bench.measure(one, round_, self.sustained_s)
                    taken += 1
                    if line is not None:
                        left.remove(one)
                        self._finish(one, line, total - len(left), total, remaining_s)
                    elif one.newest is not None:
                        self.report(replace(now, replicate=one.newest))
                    if quick and len(anchors) > 1 and 2 * taken >= steps:
                        self._anchor(anchors.pop(0), quick, round_)
                if is_idle:
                    break
            if quick and anchors and time_budget_s is None:
                self._anchor(anchors[-1], quick, self.only_round or rounds)
        except KeyboardInterrupt:
            self._so_far(left, total)
            raise
        self._so_far(left, total)
        return len(left)

    def _so_far(self, left: List[series.Series], total: int) -> None:
        """Write the cells that have some of their replicates: a number now, and more of them in another run."""
        begun = [one for one in left if one.replicates]
        for number, one in enumerate(begun, 1):
            self._finish(one, one.record("interrupted"), total - len(left) + number, total)

    def _finish(self, one: series.Series, line: lines.Line, done: int, total: int, remaining_s: float = 0.0) -> None:
        line = replace(line, quality=labels.quality(line))
        self.session.append(line)
        self.counts[line.status] += 1
        if self.protocol.profile and self.role == "cell" and line.status == "ok":
            profile.profile_cell(self.session, one.cell, self.session.specs[one.cell.model], profile.timed(line))
        self.report(Progress(one.cell, self.role, done, total, remaining_s, line))

    def _anchor(self, name: str, quick: series.Series, round_: int) -> None:
        """One replicate of the quickest cell, as a mark of what this moment is like."""
        line = replace(quick.line, role="anchor", anchor=name, id="%s/%s" % (quick.line.id, name))
        mark = series.Series(quick.cell, line, 1, 1, self.protocol.contention_retries, quick.estimate_s)
        self.report(Progress(quick.cell, "anchor", 0, 0, 0.0))
        done = self.bench.measure(mark, round_)
        while done is None:
            done = self.bench.measure(mark, round_)
        self.session.append(replace(done, quality=labels.quality(done)))
