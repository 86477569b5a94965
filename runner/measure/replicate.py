"""Measure one replicate, in the process that calls: load, first batch, warm-up, samples, outputs, and what the sensors inside say."""

import gc
import time
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from runner.backends.base import Job
from runner.plan.protocol import Protocol
from runner.records.replicate import Replicate

TRANSFERS, LONG_TRANSFER_S = 5, 0.5
WARMUP_KEPT = 1000  # the first and last calls of a warm-up that a record keeps: a call of a microsecond makes millions
Clock = Callable[[], float]


def replicate(
    backend: Any,
    job: Job,
    protocol: Protocol,
    phase: Callable[[str], None],
    clock: Clock = time.perf_counter,
    sustained_s: float = 0.0,
    window_s: float = 0.0,
) -> Tuple[Replicate, Optional[Dict[str, Any]]]:
    """(Replicate, parity or None) of a loaded job; ``phase`` is called with the name of what begins.

    After the samples it runs on end for ``sustained_s``, and on until ``window_s`` have passed since they began: what the sensors need.
    """
    from runner import sensors
    from runner.machine import contention, cpu_counters, cuda
    from runner.measure import as_labelled, gpu_memory, in_flight, parity, stopping

    inside, _ = sensors.for_measuring_process()
    for sensor in inside.values():
        sensor.start()
    memory = gpu_memory.watch(job.cell.device)
    batch = job.artefact.batch()
    spans: Dict[str, float] = {}
    phase("load")
    spans["load_s"] = _timed(backend.load, clock)
    backend.stage(batch)
    memory.mark("load")
    phase("first")
    spans["first_latency_s"] = _timed(backend.infer, clock)
    memory.mark("first")
    gc.collect()
    gc.disable()
    phase("warm-up")
    started = clock()
    infer, per_sample, per_call, taken = backend.infer, 1, 1, None
    throughput = job.cell.scenario == "throughput"
    if throughput:
        warmup, flow = in_flight.warm_up(backend, protocol, clock)
        infer, per_sample, per_call, taken = flow.run, flow.window, flow.batches, flow.take
    else:
        warmup = stopping.warm_up(infer, protocol, clock)
    spans["warmup_s"] = clock() - started
    memory.mark("warm-up")
    phase("measure")
    device_s: List[Any] = []
    called = Counted(infer)
    timed: Callable[[], None] = called
    if not throughput and backend.device_latency() is not None:

        def timed() -> None:
            called()
            device_s.append(backend.device_latency())

    before = cpu_counters.snapshot()
    started = clock()
    samples = stopping.sample(timed, protocol, clock, taken)
    spans["measure_s"] = clock() - started
    sustained = stopping.sustain(called, sustained_s, clock, batches=per_call) if sustained_s else None
    while clock() - started < window_s:
        called()
    spans["watched_s"] = clock() - started
    others = contention.between(before, cpu_counters.snapshot())
    gc.enable()
    phase("outputs")
    memory.mark("measure")
    outputs = backend.outputs()
    readings = {name: sensor.read() for name, sensor in inside.items()}  # before the transfers take host memory of their own
    executed = as_labelled.known(backend.executed())
    bring, fetch, host_memory = backend.transfers(batch)
    spans["d2h_s"], spans["h2d_s"] = _warm(fetch, clock), _warm(bring, clock)
    if job.cell.device != "cpu":
        executed["transfers"] = host_memory
    libraries = cuda.loaded_versions() if memory.is_gpu else {}
    if job.artefact.output:
        executed["output"] = job.artefact.output
    if libraries:
        executed.update(libraries=libraries, gpu_uuid=cuda.own_gpu_uuid())
    as_labelled.check(job, executed, outputs)
    reference = job.artefact.reference()
    agreement = parity.compare(outputs, reference) if reference is not None and backend.needs is not None else None
    framework_memory = backend.memory()
    if framework_memory:
        readings["framework_memory"] = framework_memory
    measured = Replicate(
        samples_s=_to_ns(samples.seconds),
        window_batches=per_sample,
        in_flight=backend.in_flight if throughput else 1,
        watched_images=called.count * per_call * job.cell.batch_size,
        warmup_samples_s=_to_ns(ends(warmup.seconds, WARMUP_KEPT)),
        warmup_verdict=warmup.verdict,
        stop=samples.verdict,
        spans=spans,
        load_cached=bool(backend.load_cached),
        device_samples_s=_to_ns(device_s),
        contention=others,
        contended=contention.contended(others, protocol.contention_limit),
        executed=executed,
        sensors=readings,
        sustained=sustained,
        gpu_memory=memory.read(backend, per_sample) if memory.is_gpu else None,
    )
    backend.close()
    return measured, agreement


class Counted:
    """A function that counts its calls."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function, self.count = function, 0

    def __call__(self) -> None:
        self.count += 1
        self.function()


def ends(values: Sequence[float], most: int) -> List[float]:
    """All values, or the first and the last ``most`` of a long series."""
    return list(values if len(values) <= 2 * most else [*values[:most], *values[-most:]])


def _to_ns(seconds: Iterable[float]) -> List[float]:
    return [round(value, 9) for value in seconds]  # the clock has no more to say


def _timed(function: Callable[[], Any], clock: Clock) -> float:
    started = clock()
    function()
    return clock() - started


def _warm(function: Callable[[], Any], clock: Clock) -> float:
    """Seconds of a call once warm: the median of TRANSFERS calls; of a long one, the only call."""
    seconds = [_timed(function, clock)]
    while len(seconds) < TRANSFERS and seconds[0] < LONG_TRANSFER_S:
        seconds.append(_timed(function, clock))
    return sorted(seconds)[len(seconds) // 2]
