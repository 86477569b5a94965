"""A run: measure what is missing of a plan, one record per cell, whatever dies on the way."""

import resource
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from runner import backends, sensors
from runner.machine import contention, environment, thermal
from runner.measure import history, labels, sampling
from runner.measure.job import MEASURE, Request
from runner.measure.outcome import Outcome
from runner.measure.prepare import Prepared
from runner.measure.session import Session, note_failure
from runner.plan.matrix import Matrix
from runner.records import file as record_file
from runner.records import line as lines
from runner.records import schema
from runner.records.cell import Cell
from runner.records.places import Places
from runner.sensors._energy import per_image

ANCHORS = ("start", "middle", "end")
COOL_C = 2.0
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

    def execute(
        self, cells: Sequence[Cell], retry: Sequence[str] = (), time_budget_s: Optional[float] = None, sustained_s: float = 0.0
    ) -> int:
        """Measure what is missing of ``cells`` in their order; returns the number of cells left for another run.

        With ``sustained_s`` each cell is run on end for so long in one process; such records have a role of their own.
        """
        self.role, self.sustained_s = ("sustained" if sustained_s else "cell"), sustained_s
        path = self.session.record_path
        with record_file.RecordFile(path) as self.session.file:
            self.attempts, last, warnings = history.read(path, self.role)
            self.warnings = self.session.file.warnings + warnings
            todo = history.missing(cells, last, retry)
            if not todo:
                return 0
            for cell in set(last).difference(todo):  # what earlier runs found too large
                line = last[cell]
                if line["status"] == "failed":
                    self._note_if_too_large(cell, Outcome(reason=line["reason"], stderr=line["stderr"], phase=line["phase"]))
            estimates = [history.estimate_s(cell, self.protocol, last) for cell in todo]
            steps = self._with_anchors(todo, estimates)
            self._append_environment()
            started = time.monotonic()
            try:
                return self._steps(steps, started, time_budget_s)
            finally:
                self.session.close()

    def _with_anchors(self, todo, estimates):
        """(role, anchor, cell, estimate) in order; long runs repeat their first cell at the start, the middle and the end."""
        if self.sustained_s:
            estimates = [self.sustained_s + 5.0] * len(todo)
        steps = [(self.role, None, cell, estimate) for cell, estimate in zip(todo, estimates)]
        if self.sustained_s or not 0 < self.protocol.anchor_from <= len(todo):
            return steps
        quick = min(range(len(todo)), key=lambda index: (todo[index].scenario != "latency", estimates[index], index))
        marks = [("anchor", name, todo[quick], estimates[quick] / self.protocol.replicates) for name in ANCHORS]
        middle = len(steps) // 2
        return marks[:1] + steps[:middle] + marks[1:2] + steps[middle:] + marks[2:]

    def _steps(self, steps, started, time_budget_s):
        total = sum(role != "anchor" for role, _, _, _ in steps)
        done, spent, planned = 0, 0.0, 0.0
        for order, (role, anchor, cell, estimate) in enumerate(steps):
            pace = spent / planned if planned > 5 else 1.0
            remaining_s = pace * sum(step[3] for step in steps[order:])
            if time_budget_s is not None and time.monotonic() - started + pace * estimate > time_budget_s:
                if role == "anchor":
                    continue
                return total - done
            self.report(Progress(cell, role, done, total, remaining_s))
            line = self.measure_cell(cell, role, anchor, order)
            self.session.append(line)
            if role != "anchor":
                done += 1
                self.counts[line["status"]] += 1
                self.attempts[cell] = line["attempt"]
            spent, planned = spent + line["wall_s"], planned + estimate
            self.report(Progress(cell, role, done, total, remaining_s, line))
        return total - done

    def _append_environment(self) -> None:
        self._wait_for_quiet()
        self.sampler = sampling.Sampler()
        self.start_c = thermal.hottest()
        self.session.append_environment(
            sensors_absent=dict(self.sampler.reasons, **sensors.inside()[1]),
            sensors_at_rest=self.sampler.rest(self.rest_s) if self.sampler and self.rest_s else {},
        )

    def measure_cell(self, cell: Cell, role: str = "cell", anchor: Optional[str] = None, order: int = 0) -> Dict[str, Any]:
        """Measure one cell and return its record; never raises for what the cell does."""
        started, cpu, worker_cpu = time.monotonic(), _cpu_s(), self.session.pool.cpu_s
        spec = self.session.specs[cell.model]
        line = lines.cell(self.session.origin, cell, spec.weights, role, anchor, order, self.attempts.get(cell, 0) + 1)
        line["load"] = {"before": environment.load()}
        refusal = self._refusal(cell)
        if refusal:
            lines.failed(line, refusal, "import", skip=True)
        else:
            outcome = self.session.preparer.prepare(cell, spec, backends.facts(cell.base_backend)["needs"])
            if isinstance(outcome, Prepared):
                line.update(complexity=outcome.complexity, sensitivity=outcome.sensitivity)
                outcome = self._replicates(cell, line, self.protocol.replicates if role == "cell" else 1)
            if outcome is not None:
                note_failure(line, outcome)
                self._note_if_too_large(cell, outcome)
        line["quality"] = labels.quality(line)
        line["load"]["after"] = environment.load()
        line["harness"] = {"supervisor_cpu_s": _cpu_s() - cpu, "worker_cpu_s": self.session.pool.cpu_s - worker_cpu}
        line["wall_s"] = time.monotonic() - started
        return line

    def _refusal(self, cell: Cell) -> Optional[str]:
        reason = backends.available(cell.base_backend)
        if reason:
            return reason
        smallest, reason = self.too_large.get(cell._replace(batch_size=0), (None, None))
        if smallest is not None and cell.batch_size > smallest:
            return "batch %d already failed: %s" % (smallest, reason)
        return None

    def _replicates(self, cell: Cell, line: Dict[str, Any], count: int) -> Optional[Outcome]:
        """Measure ``count`` replicates into the record; None when all is well, else the failed Outcome."""
        retries = self.protocol.contention_retries
        while len(line["replicates"]) < count:
            outcome = self._measure(cell, self.sustained_s if line["role"] == "sustained" else 0.0)
            if outcome.result is None:
                return outcome
            replicate, parity = settle(outcome, cell.batch_size, self.protocol.contention_limit)
            if replicate["contended"] and retries > 0 and line["role"] != "sustained":
                retries -= 1
                line["discarded"].append(replicate["contention"])
                continue
            line["replicates"].append(replicate)
            if parity and (line["parity"] is None or parity["max_abs"] > line["parity"]["max_abs"]):
                line["parity"] = parity
        return None

    def _measure(self, cell: Cell, sustained_s: float = 0.0) -> Outcome:
        """One replicate, in a process of its own."""
        self._cool_down()
        self._wait_for_quiet()
        session = self.session
        request = Request(
            MEASURE, cell, session.specs[cell.model], self.protocol, session.places.cache, session.threads, sustained_s=sustained_s
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


def settle(outcome: Outcome, batch_size: int, contention_limit: float) -> Tuple[Dict[str, Any], Optional[Dict[str, Any]]]:
    """(replicate, parity) of a job that went well: with energy per image, and contended where others used the device."""
    replicate = dict(outcome.result or {})
    parity = replicate.pop("parity", None)
    replicate["spans"]["process_s"] = outcome.process_s
    images = len(replicate["samples_s"]) * replicate["window_batches"] * batch_size
    replicate["sensors"].update(per_image(outcome.readings, images))
    if sampling.shared(outcome.readings, contention_limit):  # others on the GPU
        replicate["contended"] = True
    return replicate, parity


def _cpu_s() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime
