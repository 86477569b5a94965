"""A run: measure what is missing of a plan, one record per cell, whatever dies on the way."""

import random
import resource
import time
from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from runner import backends, sensors
from runner.machine import contention, environment, thermal
from runner.measure import history, labels, profile, sampling, series
from runner.measure.job import MEASURE, Request
from runner.measure.outcome import Outcome
from runner.measure.session import Session, note_failure
from runner.networks import content
from runner.plan.matrix import Matrix
from runner.records import file as record_file
from runner.records import line as lines
from runner.records import schema
from runner.records.cell import Cell
from runner.records.places import Places
from runner.records.replicate import Replicate, replicate_from, replicates_of
from runner.sensors._energy import per_image

ANCHORS = ("start", "middle", "end")
COOL_C = 2.0
SMALL_BYTES = 6 << 30  # memory below which one framework at a time is kept
REST_S = 2.0  # watched before the first cell: what "above idle" is above


@dataclass(frozen=True)
class Progress:
    """Where a run stands; handed to the ``report`` callback. ``line`` is the record that was just written, if any."""

    cell: Cell
    role: str
    done: int
    total: int
    remaining_s: float
    line: Optional[Dict[str, Any]] = None


class Run:
    """One invocation of `dyno run`: what is measured, and in which order."""

    rest_s = REST_S

    def __init__(
        self,
        loaded: Matrix,
        places: Places,
        platform: str,
        report: Optional[Callable[[Progress], None]] = None,
    ) -> None:
        self.session = Session(loaded, places, platform)
        self.protocol = loaded.protocol
        self.report = report or (lambda progress: None)
        self.too_large: Dict[Cell, Tuple[int, str]] = {}  # cell without its batch size: (smallest batch that failed, reason)
        self.impatient = 0  # waits for quiet in a row that were in vain
        self.counts = dict.fromkeys(schema.STATUSES, 0)
        self.warnings: List[str] = []
        self.notes: List[str] = []  # what the run found stale, unfinished or too old to tell

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
                if cell not in due and line["status"] == "failed":
                    self._note_if_too_large(cell, Outcome(reason=line["reason"], stderr=line["stderr"], phase=line["phase"]))
            self._append_environment(facts)
            estimates = history.estimates_s(list(due), self.protocol, found.last)
            todo = [self._series(cell, reason, found, facts, estimates[cell]) for cell, reason in due.items()]
            self._count_left_out(todo, found)
            try:
                return self._rounds(todo, time_budget_s)
            finally:
                self.session.close()

    def _explain(self, cells: Sequence[Cell], due: Dict[Cell, str], found: history.History) -> None:
        """Say what is measured again and why, and what can't be told of old records."""
        known = (history.MISSING, history.RETRIED, history.AGAIN)
        for reason in sorted(set(due.values()).difference(known)):
            chosen = [cell.id for cell in due if due[cell] == reason]
            more = " and %d more" % (len(chosen) - 1) if len(chosen) > 1 else ""
            self.notes.append(
                "measuring %s%s again: %s" % (chosen[0], more, reason)
                if reason != history.UNFINISHED
                else "going on with %s%s: fewer replicates than asked" % (chosen[0], more)
            )
        old = history.unknown_content([cell for cell in cells if cell not in due], found.last)
        if old:
            self.notes.append("%d record(s) count as done, content unknown: they are older than this schema" % old)

    def _count_left_out(self, todo: List[series.Series], found: history.History) -> None:
        pending = sum(len(found.pending(one.cell)) for one in todo)
        joined = {replicate.key for one in todo for replicate in one.replicates + one.dropped}
        used = sum(replicates_of(line)[0].key in joined for one in todo for line in found.pending(one.cell))
        if pending > used:
            self.notes.append(
                "%d replicate(s) of earlier runs are left out: what was measured, or the machine, has changed" % (pending - used)
            )

    def _series(self, cell: Cell, reason: str, found: history.History, facts: Dict[str, Any], took_s: float) -> series.Series:
        spec, attempt = self.session.specs[cell.model], found.last.attempts(cell) + 1
        wanted = history.expected(cell, spec, self.protocol, self.sustained_s)
        line = lines.cell(self.session.origin, cell, spec.weights, wanted, self.role, attempt=attempt)
        estimate_s = self.sustained_s + 5.0 if self.sustained_s else took_s
        return series.of(cell, line, found, reason, self.protocol, estimate_s, facts, is_single=bool(self.sustained_s))

    def _rounds(self, todo: List[series.Series], time_budget_s: Optional[float]) -> int:
        self.started, self.spent, self.planned, self.order, turns = time.monotonic(), 0.0, 0.0, 0, 0
        shuffle = random.Random(self.session.order_seed).shuffle
        total, left = len(todo), [one for one in todo if not one.ended]
        try:
            for one in todo:
                if one.ended:  # the run that measured it was killed before it could say so
                    self._finish(one, one.record(one.ended), total - len(left), total)
            is_long = not self.sustained_s and 0 < self.protocol.anchor_from <= total
            anchors = list(ANCHORS) if is_long and left else []
            quick = min(left, key=lambda one: (one.cell.scenario != "latency", one.estimate_s, one.cell.id)) if anchors else None
            self.round = self.only_round
            if quick:
                self._anchor(anchors.pop(0), quick)
            steps = sum(max(1, one.asked - len(one.replicates)) for one in left)
            taken = 0
            while left:
                turns += 1
                self.round = self.only_round or turns
                if turns > 1:
                    self.session.pool.close()  # a new worker has another address layout and hash seed
                shuffle(left)
                if self.session.pool.one_at_a_time:
                    names = sorted({one.cell.base_backend for one in left})
                    shuffle(names)
                    left.sort(key=lambda one: names.index(one.cell.base_backend))
                is_idle = True
                for one in list(left):
                    pace = self.spent / self.planned if self.planned > 5 else 1.0
                    if time_budget_s is not None and time.monotonic() - self.started + pace * one.estimate_s > time_budget_s:
                        continue
                    is_idle = False
                    remaining_s = pace * sum(other.estimate_s * max(1, other.asked - len(other.replicates)) for other in left)
                    self.report(Progress(one.cell, self.role, total - len(left), total, remaining_s))
                    line = self.measure_cell(one)
                    taken += 1
                    if line is not None:
                        left.remove(one)
                        self._finish(one, line, total - len(left), total, remaining_s)
                    if quick and len(anchors) > 1 and 2 * taken >= steps:
                        self._anchor(anchors.pop(0), quick)
                if is_idle:
                    break
            if quick and anchors and time_budget_s is None:
                self._anchor(anchors[-1], quick)
        except KeyboardInterrupt:
            self._so_far(left, total)
            raise
        self._so_far(left, total)
        return len(left)

    def _so_far(self, left: List[series.Series], total: int) -> None:
        """Write the cells that have some of their replicates: a number now, and more of them in another run."""
        for one in left:
            if one.replicates:
                self._finish(one, one.record("interrupted"), total - len(left), total)

    def _finish(self, one: series.Series, line: Dict[str, Any], done: int, total: int, remaining_s: float = 0.0) -> None:
        line["quality"] = labels.quality(line)
        self.session.append(line)
        self.counts[line["status"]] += 1
        if self.protocol.profile and self.role == "cell" and line["status"] == "ok":
            profile.take(self.session, one.cell, self.session.specs[one.cell.model], profile.timed(line))
        self.report(Progress(one.cell, self.role, done, total, remaining_s, line))

    def _anchor(self, name: str, quick: series.Series) -> None:
        """One replicate of the quickest cell, as a mark of what this moment is like."""
        line = dict(quick.line, role="anchor", anchor=name, id="%s/%s" % (quick.line["id"], name))
        mark = series.Series(quick.cell, line, 1, 1, self.protocol.contention_retries, quick.estimate_s)
        self.report(Progress(quick.cell, "anchor", 0, 0, 0.0))
        done = self.measure_cell(mark)
        while done is None:
            done = self.measure_cell(mark)
        done["quality"] = labels.quality(done)
        self.session.append(done)

    def _append_environment(self, facts: Dict[str, Any]) -> None:
        self._wait_for_quiet()
        self.sampler = sampling.Sampler()
        self.start_c = thermal.hottest()
        self.session.pool.one_at_a_time = (facts.get("memory_limit_bytes") or facts.get("memory_bytes") or SMALL_BYTES) < SMALL_BYTES
        self.session.append_environment(
            facts,
            order_seed=self.session.order_seed,
            sensors_absent=dict(self.sampler.reasons, **sensors.inside()[1]),
            sensors_at_rest=self.sampler.rest(self.rest_s) if self.sampler and self.rest_s else {},
        )

    def measure_cell(self, one: series.Series) -> Optional[Dict[str, Any]]:
        """Measure one replicate; the cell's record if that ends it, else None. Never raises for what the cell does."""
        started, cpu, worker_cpu, began = time.monotonic(), _cpu_s(), self.session.pool.cpu_s, record_file.utc_now()
        if one.line.get("load") is None:
            one.line.update(started_at=began, load={"before": environment.load(), "after": None})
            one.line["harness"] = {"supervisor_cpu_s": 0.0, "worker_cpu_s": 0.0}
        one.line["order"] = self.order
        outcome = self._refusal(one.cell) or self._prepare(one)
        if outcome is None:
            outcome = self._measure(one.cell, self.sustained_s if one.line["role"] == "sustained" else 0.0)
        replicate: Optional[Replicate] = None
        if outcome.result is not None:
            replicate, parity = settle(outcome, self.protocol.contention_limit)
            origin = self.session.origin
            replicate = replace(
                replicate, run=origin.run, environment=origin.environment, round=self.round, order=self.order, started_at=began
            )
        one.line["load"]["after"] = environment.load()
        one.line["harness"]["supervisor_cpu_s"] += _cpu_s() - cpu
        one.line["harness"]["worker_cpu_s"] += self.session.pool.cpu_s - worker_cpu
        wall_s = time.monotonic() - started
        self.order, self.spent, self.planned = self.order + 1, self.spent + wall_s, self.planned + one.estimate_s
        if replicate is None:
            line = dict(one.record(None), wall_s=one.record(None)["wall_s"] + wall_s)
            note_failure(line, outcome)
            self._note_if_too_large(one.cell, outcome)
            return line
        replicate = replace(replicate, wall_s=wall_s)
        one.add(replicate, parity)
        if one.ended:
            return one.record(one.ended)
        self.session.append(lines.replicate(dict(one.line, asked=one.asked), replicate, parity))
        return None

    def _prepare(self, one: series.Series) -> Optional[Outcome]:
        """Make the files of the cell's network once; None when all is well, else the failed Outcome."""
        if one.is_prepared:
            return None
        found = self.session.preparer.prepare(one.cell, self.session.specs[one.cell.model], backends.declared(one.cell.base_backend).needs)
        if isinstance(found, Outcome):
            return found
        one.is_prepared = True
        one.line.update(complexity=found.complexity, sensitivity=found.sensitivity, weights_tag=found.weights_tag)
        one.line["content"] = dict(one.line["content"], graph=content.graph(found.complexity))
        return None

    def _refusal(self, cell: Cell) -> Optional[Outcome]:
        reason = backends.available(cell.base_backend)
        if reason is None:
            smallest, why = self.too_large.get(cell._replace(batch_size=0), (cell.batch_size, ""))
            reason = "batch %d already failed: %s" % (smallest, why) if cell.batch_size > smallest else None
        return Outcome(reason=reason, skip=True, phase="import") if reason else None

    def _measure(self, cell: Cell, sustained_s: float = 0.0) -> Outcome:
        """One replicate, in a process of its own."""
        self._cool_down()
        self._wait_for_quiet()
        session = self.session
        request = Request(
            MEASURE,
            cell,
            session.specs[cell.model],
            self.protocol,
            session.places.cache,
            session.threads,
            sustained_s=sustained_s,
            window_s=self.sampler.window_s,
        )
        return session.pool.run(cell.base_backend, request, self.protocol.timeout_s + sustained_s, self.sampler)

    def _cool_down(self) -> None:
        """Wait, at most ``cooldown_max_s``, until the hottest zone is back at what it was before the run (within COOL_C)."""
        deadline = time.monotonic() + self.protocol.cooldown_max_s
        while self.start_c is not None and time.monotonic() < deadline:
            now_c = thermal.hottest()
            if now_c is None or now_c <= self.start_c + COOL_C:
                return
            time.sleep(1.0)

    def _wait_for_quiet(self) -> None:
        limit_s = self.protocol.quiet_wait_s
        if self.impatient >= 2:  # a machine that is never quiet must not cost its users hours
            limit_s = min(limit_s, 0.3)
        quiet, _, _ = contention.wait_for_quiet(self.protocol.contention_limit, limit_s)
        self.impatient = 0 if quiet else self.impatient + 1

    def _note_if_too_large(self, cell: Cell, outcome: Outcome) -> None:
        key = cell._replace(batch_size=0)
        if outcome.too_large and cell.batch_size < self.too_large.get(key, (float("inf"), ""))[0]:
            self.too_large[key] = (cell.batch_size, outcome.reason or "")


def settle(outcome: Outcome, contention_limit: float) -> Tuple[Replicate, Optional[Dict[str, Any]]]:
    """(replicate, parity) of a job that went well: with energy per image, and contended where others used the device."""
    result = dict(outcome.result or {})
    parity = result.pop("parity", None)
    one = replicate_from(result)
    is_shared = sampling.shared(outcome.readings, contention_limit)  # others on the GPU
    settled = replace(
        one,
        spans=dict(one.spans, process_s=outcome.process_s),
        sensors=dict(one.sensors, **per_image(outcome.readings, one.watched_images)),
        contended=one.contended or is_shared,
    )
    return settled, parity


def _cpu_s() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime
