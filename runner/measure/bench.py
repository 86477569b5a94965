"""The bench: measures one replicate of a cell at a time, on a machine that has come to rest, and never raises for what the cell does."""

import resource
import time
from dataclasses import replace
from typing import Any, Dict, Optional, Tuple

from runner import backends, sensors
from runner.machine import contention, environment, thermal
from runner.measure import sampling, series
from runner.measure.job import MEASURE, Request
from runner.measure.outcome import Outcome
from runner.measure.session import Session, failed
from runner.networks import content
from runner.records import file as record_file
from runner.records import line as lines
from runner.records.cell import Cell
from runner.records.replicate import Replicate, replicate_from
from runner.sensors._energy import per_image

COOL_C = 2.0
SMALL_BYTES = 6 << 30  # memory below which one framework at a time is kept
REST_S = 2.0  # watched before the first cell: what "above idle" is above


class Bench:
    """What it takes to measure: the session's workers and files, the sensors, and what earlier cells taught about this machine.

    ``spent_s`` and ``planned_s`` add up what replicates took and what they were estimated to take.
    """

    rest_s = REST_S

    def __init__(self, session: Session) -> None:
        self.session, self.protocol = session, session.protocol
        self.too_large: Dict[Cell, Tuple[int, str]] = {}  # cell without its batch size: (smallest batch that failed, reason)
        self.impatient = 0  # waits for quiet in a row that were in vain
        self.order, self.spent_s, self.planned_s = 0, 0.0, 0.0

    def open(self, facts: Dict[str, Any]) -> None:
        """Start the sensors, see what they say at rest, and record the facts of this machine."""
        self._wait_for_quiet()
        self.sampler = sampling.Sampler()
        self.start_c = thermal.hottest()
        self.session.pool.one_at_a_time = (facts.get("memory_limit_bytes") or facts.get("memory_bytes") or SMALL_BYTES) < SMALL_BYTES
        self.session.append_environment(
            facts,
            order_seed=self.session.order_seed,
            sensors_absent=dict(self.sampler.reasons, **sensors.for_measuring_process()[1]),
            sensors_at_rest=self.sampler.rest(self.rest_s) if self.sampler and self.rest_s else {},
        )

    @property
    def pace(self) -> float:
        """How much longer replicates take than estimated; 1 until that is known."""
        return self.spent_s / self.planned_s if self.planned_s > 5 else 1.0

    def measure(self, one: series.Series, round_: int, sustained_s: float = 0.0) -> Optional[lines.Line]:
        """Measure one replicate; the cell's record if that ends it, else None, and the replicate's own line is written."""
        started, cpu, worker_cpu, began = time.monotonic(), _cpu_s(), self.session.pool.cpu_s, record_file.utc_now()
        if one.line.load is None:
            load = {"before": environment.load_average(), "after": None}
            one.line = replace(one.line, started_at=began, load=load, harness={"supervisor_cpu_s": 0.0, "worker_cpu_s": 0.0})
        one.line = replace(one.line, order=self.order)
        outcome = self._refusal(one.cell) or self._prepare(one)
        if outcome is None:
            outcome = self._run(one.cell, sustained_s if one.line.role == "sustained" else 0.0)
        replicate: Optional[Replicate] = None
        if outcome.result is not None:
            replicate, parity = settle(outcome, self.protocol.contention_limit)
            origin = self.session.origin
            replicate = replace(replicate, run=origin.run, environment=origin.environment, round=round_, order=self.order, started_at=began)
        harness = one.line.harness or {}
        one.line = replace(
            one.line,
            load=dict(one.line.load or {}, after=environment.load_average()),
            harness={
                "supervisor_cpu_s": harness["supervisor_cpu_s"] + _cpu_s() - cpu,
                "worker_cpu_s": harness["worker_cpu_s"] + self.session.pool.cpu_s - worker_cpu,
            },
        )
        wall_s = time.monotonic() - started
        self.order, self.spent_s, self.planned_s = self.order + 1, self.spent_s + wall_s, self.planned_s + one.estimate_s
        if replicate is None:
            line = one.record(None)
            self.note_if_too_large(one.cell, outcome)
            return failed(replace(line, wall_s=(line.wall_s or 0.0) + wall_s), outcome)
        replicate = replace(replicate, wall_s=wall_s)
        one.add(replicate, parity)
        if one.ended:
            return one.record(one.ended)
        self.session.append(lines.replicate(replace(one.line, asked=one.asked), replicate, parity))
        return None

    def note_if_too_large(self, cell: Cell, outcome: Outcome) -> None:
        """Remember that larger batches of a cell can only fail too, if that is so."""
        key = cell._replace(batch_size=0)
        if outcome.too_large and cell.batch_size < self.too_large.get(key, (float("inf"), ""))[0]:
            self.too_large[key] = (cell.batch_size, outcome.reason or "")

    def _prepare(self, one: series.Series) -> Optional[Outcome]:
        """Make the files of the cell's network unless they are there; None when all is well, else the failed Outcome."""
        spec, needs = self.session.specs[one.cell.model], backends.declared(one.cell.base_backend).needs
        if one.is_prepared and (needs is None or self.session.preparer.is_kept(one.cell, spec)):
            return None
        found = self.session.preparer.prepare(one.cell, spec, needs)
        if isinstance(found, Outcome):
            return found
        one.is_prepared = True
        one.line = replace(
            one.line,
            complexity=found.complexity,
            sensitivity=found.sensitivity,
            weights_tag=found.weights_tag,
            content=dict(one.line.content or {}, graph=content.graph(found.complexity)),
        )
        return None

    def _refusal(self, cell: Cell) -> Optional[Outcome]:
        reason = backends.available(cell.base_backend)
        if reason is None:
            smallest, why = self.too_large.get(cell._replace(batch_size=0), (cell.batch_size, ""))
            reason = "batch %d already failed: %s" % (smallest, why) if cell.batch_size > smallest else None
        return Outcome(reason=reason, skip=True, phase="import") if reason else None

    def _run(self, cell: Cell, sustained_s: float) -> Outcome:
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
