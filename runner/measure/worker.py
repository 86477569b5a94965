"""The worker: imports one framework, then forks a fresh process for each thing to measure.

``python -m runner.measure.worker BACKEND FD PARENT`` reads from standard input a word that begins all its messages, then one job a line (JSON),
and answers on file descriptor FD, one message a line:

    {"ready": {...}} or {"import_error": reason}     once
    {"child": pid}, {"phase": name}, {"part": ...}   while a job runs
    {"result": ...} or {"error": ..., "skip": bool}  what came of it
    {"exit": code or -signal, "cpu_s": ...}          when its process has ended; always the last

The worker opens no device and starts no thread, so forking it is safe and costs milliseconds. Worker and child
die with their parent (Linux), so killing the supervisor leaves nothing behind that would disturb the next run.
"""

import ctypes
import gc
import json
import os
import re
import resource
import signal
import sys
import time
from typing import Callable

TRANSFERS, LONG_TRANSFER_S = 5, 0.5
PHASES = ("import", "prepare", "load", "first", "warm-up", "measure", "outputs")


class Messages:
    """Messages to the supervisor, one JSON line each."""

    def __init__(self, fd, mark):
        self._fd, self._mark = fd, mark

    def send(self, **message):
        from runner.records import file as record_file

        data = (self._mark + record_file.dumps(message) + "\n").encode("utf-8")
        while data:
            data = data[os.write(self._fd, data) :]


def main(argv):
    backend_name, fd, parent = argv[0], int(argv[1]), int(argv[2])
    _die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to handle
    messages = Messages(fd, sys.stdin.readline().strip())
    started = time.perf_counter()
    try:
        from runner import backends

        backend = backends.create(backend_name)
        # all that a child needs, so that no child pays for it
        from runner import sensors
        from runner.measure import in_flight, job, parity, stopping  # noqa: F401
        from runner.networks import sources

        sensors.inside()
        if backend.needs == "torch":
            sources.preload()
    except (Exception, SystemExit) as error:  # a framework may fail to import in any way
        from runner import backends

        messages.send(import_error=_one_line(error), skip=backends.is_plug_in(backend_name))
        return
    gc.collect()
    getattr(gc, "freeze", gc.collect)()  # children share these pages until they end; 3.6 has no freeze
    own = resource.getrusage(resource.RUSAGE_SELF)
    messages.send(ready={"import_s": time.perf_counter() - started, "cpu_s": own.ru_utime + own.ru_stime, "threads": _threads()})
    for line in iter(sys.stdin.readline, ""):
        _fork(json.loads(line), backend, messages)


def _fork(job, backend, messages):
    sys.stdout.flush()
    sys.stderr.flush()
    worker, before = os.getpid(), _children()
    started = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            _die_with_parent(worker)
            _lead_group()
            _child(job, backend, messages)
            code = 0
        except BaseException as error:  # whatever it is, it becomes a row
            messages.send(error=_one_line(error), skip=_is_skip(error), kind=type(error).__name__)
        finally:
            sys.stderr.flush()
            os._exit(code)
    messages.send(child=pid)
    _, status, usage = os.wait4(pid, 0)
    process_s = time.perf_counter() - started
    try:
        os.killpg(pid, signal.SIGKILL)  # what it has started and left behind
    except OSError:
        pass
    _end_orphans(before)
    own = resource.getrusage(resource.RUSAGE_SELF)
    code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    messages.send(
        exit=code,
        process_s=process_s,
        child_cpu_s=usage.ru_utime + usage.ru_stime,
        worker_cpu_s=own.ru_utime + own.ru_stime,
    )


def _children():
    """Processes whose parent this is (Linux; none elsewhere)."""
    own, found = str(os.getpid()), set()
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name) as file:
                    if file.read().rpartition(")")[2].split()[1] == own:
                        found.add(int(name))
            except (OSError, IndexError, UnicodeDecodeError):
                continue
    return found


def _end_orphans(before):
    """End what a measuring process forked away into a session of its own: it has become a child of this one, the nearest subreaper."""
    for _ in range(100):  # the children of what is ended here come next
        orphans = _children() - before
        if not orphans:
            return
        for pid in orphans:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except OSError:
                continue


def _is_skip(error):
    from runner.errors import Unsupported

    return isinstance(error, Unsupported) or bool(getattr(error, "skip", False))


def _one_line(error):
    text = " ".join(str(error).split()) or type(error).__name__
    said = re.sub(r"(?:Exception from \S+:\d+: ?)+", "", text)  # OpenVINO's own places in C++
    text = text if said == text else "OpenVINO can't compute the network: %s" % said
    name = type(error).__name__
    plain = name in ("Unsupported", "Unprepared", "ModelUnavailable", "RuntimeError", "ExportError", "CheckpointError")
    return (text if plain else "%s: %s" % (name, text))[:600]


def _child(plain, backend, messages):
    from runner.backends.base import Job
    from runner.measure import top_k
    from runner.measure.job import ACCURACY, PREPARE, PROFILE, request_from
    from runner.networks import artefact, interchange

    phase = lambda name: messages.send(phase=name)
    request = request_from(plain)
    cell = request.cell
    art = artefact.in_cache(request.cache_dir, request.spec, request.protocol.seed, cell.batch_size, cell.input_px)
    if request.kind == PREPARE:
        phase("prepare")
        _set_threads_of_torch(request.threads)
        messages.send(result={"manifest": interchange.make(art, request.needs).manifest})
        return
    job = Job(cell, art, request.threads, request.cache_dir, request.protocol.calibration_images or None)
    if request.kind == ACCURACY:
        messages.send(result=top_k.evaluate(backend(job), job, request.count, phase, messages.send))
        return
    if request.kind == PROFILE:
        from runner.measure import profile

        messages.send(result=profile.profiled(backend(job), art.batch(), phase, time.perf_counter))
        return
    made = replicate(backend(job), job, request.protocol, phase, sustained_s=request.sustained_s, window_s=request.window_s)
    messages.send(result=dict(made[0].as_dict(), parity=made[1]))


def replicate(backend, job, protocol, phase, clock=time.perf_counter, sustained_s=0.0, window_s=0.0):
    """Measure one replicate in this process: (Replicate, parity or None).

    After the samples it runs on end for ``sustained_s``, and on until ``window_s`` have passed since they began: what the sensors need.
    """
    from runner import sensors
    from runner.machine import contention, cpu_counters, cuda
    from runner.measure import as_labelled, gpu_memory, in_flight, parity, stopping
    from runner.records.replicate import Replicate

    inside, _ = sensors.inside()
    for sensor in inside.values():
        sensor.start()
    memory = gpu_memory.watch(job.cell.device)
    batch = job.artefact.batch()
    spans = {}
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
    device_s = []
    called = Counted(infer)
    timed: Callable[[], None] = called
    if not throughput and backend.device_latency() is not None:

        def timed():
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
    spans["d2h_s"] = _warm(backend.outputs, clock)
    spans["h2d_s"] = _warm(lambda: backend.stage(batch), clock)
    executed = backend.executed()
    libraries = cuda.loaded_versions() if memory.is_gpu else {}
    if libraries:
        executed.update(libraries=libraries, gpu_uuid=cuda.own_gpu_uuid())
    as_labelled.check(job, executed, outputs)
    reference = job.artefact.reference()
    agreement = parity.compare(outputs, reference) if reference is not None and backend.needs is not None else None
    readings = {name: sensor.read() for name, sensor in inside.items()}
    framework_memory = backend.memory()
    if framework_memory:
        readings["framework_memory"] = framework_memory
    measured = Replicate(
        samples_s=_to_ns(samples.seconds),
        window_batches=per_sample,
        in_flight=backend.in_flight if throughput else 1,
        watched_images=called.count * per_call * job.cell.batch_size,
        warmup_samples_s=_to_ns(warmup.seconds),
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

    def __init__(self, function):
        self.function, self.count = function, 0

    def __call__(self):
        self.count += 1
        self.function()


def _to_ns(seconds):
    return [round(value, 9) for value in seconds]  # the clock has no more to say


def _timed(function, clock):
    started = clock()
    function()
    return clock() - started


def _warm(function, clock):
    """Seconds of a call once warm: the median of TRANSFERS calls; of a long one, the only call."""
    seconds = [_timed(function, clock)]
    while len(seconds) < TRANSFERS and seconds[0] < LONG_TRANSFER_S:
        seconds.append(_timed(function, clock))
    return sorted(seconds)[len(seconds) // 2]


def _set_threads_of_torch(threads):
    try:
        import torch

        torch.set_num_threads(threads)
    except ImportError:
        pass


def _die_with_parent(parent):
    """Be killed when the parent dies (Linux); elsewhere the worker sees its input end."""
    if sys.platform.startswith("linux"):
        libc = ctypes.CDLL(None)
        libc.prctl(1, signal.SIGKILL)  # 1: PR_SET_PDEATHSIG
        libc.prctl(36, 1)  # 36: PR_SET_CHILD_SUBREAPER, not inherited
        if os.getppid() != parent:  # it died before that
            os._exit(1)


def _lead_group():
    """Lead a process group, so that nothing this process starts outlives it; be the first to go when memory runs out."""
    os.setpgid(0, 0)
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass


def _threads():
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return None


if __name__ == "__main__":
    main(sys.argv[1:])
