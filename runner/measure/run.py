"""A run: measure what is missing of a plan, one record per cell, whatever dies on the way."""

import os
import random
import resource
import time
from dataclasses import asdict, dataclass

from runner import __version__, backends, sensors
from runner.errors import Unprepared
from runner.machine import contention, environment, thermal, threads
from runner.measure import sampling, stopping, supervise
from runner.networks import interchange
from runner.records import check, schema
from runner.records import file as record_file
from runner.records.cell import cell_from
from runner.sensors._energy import per_image

ANCHORS = ("start", "middle", "end")
PARITY_LIMIT = {"fp32": 1e-3}  # largest relative difference that goes without a label; OTHER for coarser formats
OTHER_LIMIT = 0.1
NOISY = 0.1
PREPARE_TIMEOUT_S = 1800.0
COOL_C = 2.0
REST_S = 2.0  # watched before the first cell: what "above idle" is above


@dataclass(frozen=True)
class Progress:
    """Where a run stands; handed to the ``report`` callback. ``line`` is the record that was just written, if any."""

    cell: object
    role: str
    done: int
    total: int
    remaining_s: float
    line: object = None


class BeforeMeasuring(Exception):
    """The run can't begin; one line for the user."""


def history(path, role="cell"):
    """(attempts by cell, last record by cell, warnings) of a record file, for records of one role."""
    attempts, last, strange = {}, {}, 0
    lines, warnings = record_file.read(path)
    for line in lines:
        if line.get("kind") == "cell" and not check.is_cell(line):
            strange += 1
        elif line.get("kind") == "cell" and line["role"] == role:
            cell = cell_from(line["cell"])
            attempts[cell] = max(attempts.get(cell, 0), line["attempt"])
            last[cell] = line
    if strange:
        warnings.append("%s: %d line(s) are no records of a cell; set aside" % (path, strange))
    return attempts, last, warnings


def missing(cells, last, retry=()):
    """The cells without a record, and those whose last record is one of ``retry`` (failed, contended, skipped)."""
    result = []
    for cell in cells:
        line = last.get(cell)
        states = () if line is None else (line.get("status"),) + tuple(line.get("quality") or ())
        if line is None or any(state in retry for state in states):
            result.append(cell)
    return result


def overhead_s(lines):
    """Median over measuring processes of what the harness adds: fork to exit less load, copies, warm-up and samples."""
    extra = []
    for line in lines:
        for replicate in line.get("replicates") or ():
            spans = replicate.get("spans") or {}
            parts = [spans.get(name) or 0.0 for name in ("load_s", "first_latency_s", "h2d_s", "d2h_s", "warmup_s", "measure_s")]
            if spans.get("process_s") is not None:
                extra.append(spans["process_s"] - sum(parts))
    return stopping.median(extra) if extra else None


def estimate_s(cell, protocol, last):
    """Seconds that a cell will take: what it took before, else like the backend's others, else what the protocol allows."""
    if cell in last and last[cell].get("wall_s"):
        return last[cell]["wall_s"]
    like = sorted(
        line["wall_s"]
        for other, line in last.items()
        if other.backend == cell.backend and other.batch_size == cell.batch_size and line.get("wall_s") and line.get("status") == "ok"
    )
    if like:
        return like[len(like) // 2]
    per_replicate = min(protocol["max_time_s"], 3 * protocol["min_time_s"]) + protocol["warmup_max_s"] / 2 + 0.7
    return protocol["replicates"] * per_replicate + 2.0


class Run:
    """One invocation: its workers, its record file, its environment."""

    rest_s = REST_S

    def __init__(self, loaded, places, platform, report=None, clock=time.time):
        self.protocol = loaded.protocol
        self.specs = loaded.models
        self.places = places
        self.platform = platform
        self.report = report or (lambda progress: None)
        self.clock = clock
        self.id = "%s-%08x" % (time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(clock())), random.SystemRandom().getrandbits(32))
        self.threads = threads.usable_cpus()
        self.workers = {}
        self.too_large = {}  # cell without its batch size: (smallest batch that failed, reason)
        self.impatient = 0  # waits for quiet in a row that were in vain
        self.worker_cpu_s = 0.0
        self.counts = dict.fromkeys(schema.STATUSES, 0)

    def execute(self, cells, retry=(), time_budget_s=None, sustained_s=0.0):
        """Measure what is missing of ``cells`` in their order; returns the number of cells left for another run.

        With ``sustained_s`` each cell is run on end for so long in one process; such records have a role of their own.
        """
        self.role, self.sustained_s = ("sustained" if sustained_s else "cell"), sustained_s
        path = self.places.record_path(self.platform, environment.host())
        with record_file.RecordFile(path) as self.file:
            self.attempts, last, warnings = history(path, self.role)
            self.warnings = self.file.warnings + warnings
            todo = missing(cells, last, retry)
            if not todo:
                return 0
            for cell in set(last).difference(todo):  # what earlier runs found too large
                line = last[cell]
                if line["status"] == "failed":
                    self._note_if_too_large(cell, supervise.Outcome(reason=line["reason"], stderr=line["stderr"], phase=line["phase"]))
            estimates = [estimate_s(cell, self.protocol, last) for cell in todo]
            steps = self._with_anchors(todo, estimates)
            self._append_environment()
            started = time.monotonic()
            try:
                return self._steps(steps, started, time_budget_s)
            finally:
                self.close()

    def close(self):
        for worker in self.workers.values():
            worker.kill()

    def _with_anchors(self, todo, estimates):
        """(role, anchor, cell, estimate) in order; long runs repeat their first cell at the start, the middle and the end."""
        if self.sustained_s:
            estimates = [self.sustained_s + 5.0] * len(todo)
        steps = [(self.role, None, cell, estimate) for cell, estimate in zip(todo, estimates)]
        if self.sustained_s or not 0 < self.protocol["anchor_from"] <= len(todo):
            return steps
        quick = min(range(len(todo)), key=lambda index: (todo[index].scenario != "latency", estimates[index], index))
        marks = [("anchor", name, todo[quick], estimates[quick] / self.protocol["replicates"]) for name in ANCHORS]
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
            self.file.append(line)
            if role != "anchor":
                done += 1
                self.counts[line["status"]] += 1
                self.attempts[cell] = line["attempt"]
            spent, planned = spent + line["wall_s"], planned + estimate
            self.report(Progress(cell, role, done, total, remaining_s, line))
        return total - done

    def _append_environment(self):
        facts = environment.describe()
        self._wait_for_quiet()
        self.sampler = sampling.Sampler()
        self.start_c = thermal.hottest()
        facts.update(
            dyno=__version__,
            threads=self.threads,
            fingerprint=environment.fingerprint(facts),
            sensors_absent=dict(self.sampler.reasons, **sensors.inside()[1]),
            sensors_at_rest=self.sampler.rest(self.rest_s) if self.sampler and self.rest_s else {},
            protocol=self.protocol,
        )
        self.environment = "env-" + self.id
        self.file.append(
            {
                "schema_version": schema.SCHEMA_VERSION,
                "kind": "environment",
                "id": self.environment,
                "run": self.id,
                "started_at": record_file.utc_now(),
                "environment": facts,
            }
        )

    def measure_cell(self, cell, role="cell", anchor=None, order=0):
        """Measure one cell and return its record; never raises for what the cell does."""
        started, cpu = time.monotonic(), _cpu_s()
        attempt = self.attempts.get(cell, 0) + 1
        spec = self.specs[cell.model]
        line = {
            "schema_version": schema.SCHEMA_VERSION,
            "kind": "cell",
            "id": "/".join([self.id, cell.id, str(attempt)] + ([anchor] if anchor else [])),
            "run": self.id,
            "environment": self.environment,
            "cell": cell.as_dict(),
            "cell_id": cell.id,
            "role": role,
            "anchor": anchor,
            "order": order,
            "attempt": attempt,
            "status": "ok",
            "reason": None,
            "phase": None,
            "signal": None,
            "stderr": None,
            "started_at": record_file.utc_now(),
            "weights": spec.weights,
            "seed": self.protocol["seed"],
            "protocol": self.protocol,
            "replicates": [],
            "parity": None,
            "discarded": [],
            "quality": [],
            "sensitivity": None,
            "complexity": None,
            "load": {"before": environment.load()},
        }
        self.worker_cpu_s = 0.0
        refusal = self._refusal(cell)
        if refusal:
            line.update(status="skipped", reason=refusal, phase="import")
        else:
            outcome = self.prepare(cell, spec, line, backends.facts(cell.base_backend)["needs"])
            if outcome is None:
                outcome = self._replicates(cell, spec, line, self.protocol["replicates"] if role == "cell" else 1)
            if outcome is not None:
                self._failed(cell, outcome, line)
        line["quality"] = quality(line)
        line["load"]["after"] = environment.load()
        line["harness"] = {"supervisor_cpu_s": _cpu_s() - cpu, "worker_cpu_s": self.worker_cpu_s}
        line["wall_s"] = time.monotonic() - started
        return line

    def _refusal(self, cell):
        reason = backends.available(cell.base_backend)
        if reason:
            return reason
        smallest, reason = self.too_large.get(cell._replace(batch_size=0), (None, None))
        if smallest is not None and cell.batch_size > smallest:
            return "batch %d already failed: %s" % (smallest, reason)
        return None

    def prepare(self, cell, spec, line, needs):
        """Make the network's files unless they are in the cache; None when all is well, else the failed Outcome.

        What is known of the network is added to ``line``.
        """
        try:
            art = interchange.artefact(self.places.cache, spec, self.protocol["seed"], cell.batch_size, cell.input_px)
            what = art.missing(needs)
        except Unprepared as error:
            return supervise.Outcome(reason=str(error), skip=error.skip, phase="prepare")
        if what:
            reason = None if art.is_file else backends.available("pytorch")
            if reason:
                hint = "%s: its %s is not in the cache, and %s; make it with `dyno export` where torch is" % (cell.model, what, reason)
                return supervise.Outcome(reason=hint, skip=True, phase="prepare")
            outcome = self._job(cell.base_backend if art.is_file else "pytorch", cell, spec, PREPARE_TIMEOUT_S, kind="prepare", needs=needs)
            if outcome.result is None:
                outcome.phase = "prepare"
                return outcome
            interchange.prune(self.places.cache, self.protocol["cache_limit_gb"] * 1e9, keep=art.folder)
            art = interchange.artefact(self.places.cache, spec, self.protocol["seed"], cell.batch_size, cell.input_px)
            try:
                art.missing(needs)
            except Unprepared as error:
                return supervise.Outcome(reason=str(error), skip=error.skip, phase="prepare")
        if needs is not None:
            line["complexity"] = art.complexity
            line["sensitivity"] = art.manifest.get("sensitivity")
        return None

    def _replicates(self, cell, spec, line, count):
        """Measure ``count`` replicates into the record; None when all is well, else the failed Outcome."""
        retries = self.protocol["contention_retries"]
        while len(line["replicates"]) < count:
            self._cool_down()
            self._wait_for_quiet()
            sustained_s = self.sustained_s if line["role"] == "sustained" else 0.0
            timeout_s = self.protocol["timeout_s"] + sustained_s
            job = dict(kind="measure", protocol=self.protocol, sustained_s=sustained_s)
            outcome = self._job(cell.base_backend, cell, spec, timeout_s, self.sampler, **job)
            if outcome.result is None:
                return outcome
            replicate = outcome.result
            parity = replicate.pop("parity", None)
            replicate["spans"]["process_s"] = outcome.process_s
            images = len(replicate["samples_s"]) * replicate["window_batches"] * cell.batch_size
            replicate["sensors"].update(per_image(outcome.readings, images))
            if sampling.shared(outcome.readings, self.protocol["contention_limit"]):  # others on the GPU
                replicate["contended"] = True
            if replicate["contended"] and retries > 0 and not sustained_s:
                retries -= 1
                line["discarded"].append(replicate["contention"])
                continue
            line["replicates"].append(replicate)
            if parity and (line["parity"] is None or parity["max_abs"] > line["parity"]["max_abs"]):
                line["parity"] = parity
        return None

    def _cool_down(self):
        """Wait, at most ``cooldown_max_s``, until the hottest zone is back at what it was before the run (within COOL_C)."""
        deadline = time.monotonic() + self.protocol["cooldown_max_s"]
        while self.start_c is not None and time.monotonic() < deadline:
            now_c = thermal.hottest()
            if now_c is None or now_c <= self.start_c + COOL_C:
                return
            time.sleep(1.0)

    def _wait_for_quiet(self):
        limit_s = self.protocol["quiet_wait_s"]
        if self.impatient >= 2:  # a machine that is never quiet must not cost its users hours
            limit_s = min(limit_s, 0.3)
        quiet, _, _ = contention.wait_for_quiet(self.protocol["contention_limit"], limit_s)
        self.impatient = 0 if quiet else self.impatient + 1

    def _job(self, backend, cell, spec, timeout_s, sampler=None, on_part=None, **job):
        worker = self.workers.get(backend)
        if worker is None or worker.dead:
            worker = self.workers[backend] = supervise.Worker(backend, {"TORCH_HOME": os.path.join(self.places.cache, "torch")})
            worker.cpu_s = 0.0
        job.update(cell=cell.as_dict(), spec=asdict(spec), seed=self.protocol["seed"], cache_dir=self.places.cache, threads=self.threads)
        outcome = worker.run(job, timeout_s, sampler, on_part)
        self.worker_cpu_s += max(0.0, outcome.worker_cpu_s - max(worker.cpu_s, worker.import_cpu_s))
        worker.cpu_s = max(worker.cpu_s, outcome.worker_cpu_s)
        return outcome

    def _failed(self, cell, outcome, line):
        line.update(status="skipped" if outcome.skip else "failed", reason=outcome.reason, phase=outcome.phase)
        line.update(signal=outcome.signal, stderr=None if outcome.skip else outcome.stderr)
        self._note_if_too_large(cell, outcome)

    def _note_if_too_large(self, cell, outcome):
        key = cell._replace(batch_size=0)
        if outcome.too_large and cell.batch_size < self.too_large.get(key, (float("inf"), None))[0]:
            self.too_large[key] = (cell.batch_size, outcome.reason)


def quality(line):
    """Labels of a record: what a reader must know before trusting its numbers."""
    labels = []
    replicates = line["replicates"]
    if any(replicate["contended"] for replicate in replicates):
        labels.append("contended")
    if any(replicate["warmup_verdict"] == "capped" for replicate in replicates):
        labels.append("unsteady")
    if any(sampling.throttled(replicate.get("sensors") or {}) for replicate in replicates):
        labels.append("throttled")
    if replicates and stopping.median([stopping.noise(sorted(replicate["samples_s"])) for replicate in replicates]) > NOISY:
        labels.append("noisy")
    limit = PARITY_LIMIT.get(line["cell"]["precision"], OTHER_LIMIT)
    if line["parity"] and not (line["parity"]["max_rel"] is not None and line["parity"]["max_rel"] <= limit):
        labels.append("parity")
    if line.get("sensitivity") is not None and line["sensitivity"] < interchange.DEGENERATE:
        labels.append("degenerate")
    return labels


def _cpu_s():
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime
