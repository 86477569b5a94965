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
import traceback
from typing import Any, Dict, List, Optional, Set

from runner.machine.processes import tied_to

FRAMES, SAID = 5, 500  # of an exception that is told in full: the last calls, and characters of its text
PHASES = ("import", "prepare", "load", "first", "warm-up", "measure", "outputs")


class Messages:
    """Messages to the supervisor, one JSON line each."""

    def __init__(self, fd: int, mark: str) -> None:
        self._fd, self._mark = fd, mark

    def send(self, **message: Any) -> None:
        from runner.records import file as record_file

        data = (self._mark + record_file.dumps(message) + "\n").encode("utf-8")
        while data:
            data = data[os.write(self._fd, data) :]


def main(argv: List[str]) -> None:
    backend_name, fd, parent = argv[0], int(argv[1]), int(argv[2])
    _die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to handle
    messages = Messages(fd, sys.stdin.readline().strip())
    started = time.perf_counter()
    try:
        from runner import backends

        try:
            backend = backends.create(backend_name)
        finally:
            if backends.is_plug_in(backend_name):
                _end_orphans(set())  # what its import has forked away
        # all that a child needs, so that no child pays for it
        from runner import sensors
        from runner.measure import in_flight, job, parity, replicate, stopping  # noqa: F401
        from runner.networks import sources

        sensors.for_measuring_process()
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


def _fork(job: Dict[str, Any], backend: Any, messages: Messages) -> None:
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
            _say_in_full(error)
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


def _children() -> Set[int]:
    """Processes whose parent this is (Linux; none elsewhere)."""
    own = str(os.getpid())
    found: Set[int] = set()
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name) as file:
                    if file.read().rpartition(")")[2].split()[1] == own:
                        found.add(int(name))
            except (OSError, IndexError, UnicodeDecodeError):
                continue
    return found


def _end_orphans(before: Set[int]) -> None:
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


def _is_skip(error: BaseException) -> bool:
    from runner.errors import Unsupported

    return isinstance(error, Unsupported) or bool(getattr(error, "skip", False))


def _say_in_full(error: BaseException) -> None:
    """Write the exception that a reason of ours stands for to standard error, of which the end goes into the record and the log."""
    from runner.errors import ModelUnavailable, Unprepared

    ours, origin = (ModelUnavailable, Unprepared), error
    while isinstance(origin, ours) and (origin.__cause__ or origin.__context__):
        origin = origin.__cause__ or origin.__context__  # type: ignore[assignment]
    if not isinstance(origin, ours) and origin is not error:
        way = "".join(traceback.format_list(traceback.extract_tb(origin.__traceback__)[-FRAMES:]))
        sys.stderr.write("%s%s: %s\n" % (way, type(origin).__name__, str(origin)[:SAID]))


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename and error.strerror:
        return ("%s: %s" % (error.filename, error.strerror))[:600]
    text = " ".join(str(error).split()) or type(error).__name__
    said = re.sub(r"(?:Exception from \S+:\d+: ?)+", "", text)  # OpenVINO's own places in C++
    text = text if said == text else "OpenVINO can't compute the network: %s" % said
    name = type(error).__name__
    plain = name in ("Unsupported", "Unprepared", "ModelUnavailable", "RuntimeError", "ExportError", "CheckpointError")
    return (text if plain else "%s: %s" % (name, text))[:600]


def _child(plain: Dict[str, Any], backend: Any, messages: Messages) -> None:
    from runner.backends.base import Job
    from runner.measure import top_k
    from runner.measure.job import ACCURACY, PREPARE, PROFILE, request_from
    from runner.measure.replicate import replicate
    from runner.networks import artefact, interchange

    def phase(name: str) -> None:
        messages.send(phase=name)

    request = request_from(plain)
    cell = request.cell
    art = artefact.in_cache(request.cache_dir, request.spec, request.protocol.seed, cell.batch_size, cell.input_px)
    if request.kind == PREPARE:
        phase("prepare")
        _set_threads_of_torch(request.threads)
        messages.send(result={"manifest": interchange.make(art, request.needs).manifest})
        return
    job = Job(cell, art, request.threads, request.cache_dir, request.protocol.calibration_images or None)
    if request.kind == ACCURACY and request.count:
        messages.send(result=top_k.evaluate(backend(job), job, request.count, phase, messages.send))
        return
    if request.kind == PROFILE:
        from runner.measure import profile

        messages.send(result=profile.profiled(backend(job), art.batch(), phase, time.perf_counter))
        return
    measured, agreement = replicate(backend(job), job, request.protocol, phase, sustained_s=request.sustained_s, window_s=request.window_s)
    messages.send(result=dict(measured.as_dict(), parity=agreement))


def _set_threads_of_torch(threads: int) -> None:
    try:
        import torch

        torch.set_num_threads(threads)
    except ImportError:
        pass


def _die_with_parent(parent: int) -> None:
    """Be killed when the parent dies (Linux); elsewhere the worker sees its input end."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(36, 1)  # 36: PR_SET_CHILD_SUBREAPER, not inherited
    tied_to(parent)()


def _lead_group() -> None:
    """Lead a process group, so that nothing this process starts outlives it; be the first to go when memory runs out."""
    os.setpgid(0, 0)
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass


def _threads() -> Optional[int]:
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return None


if __name__ == "__main__":
    main(sys.argv[1:])
