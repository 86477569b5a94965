"""The supervisor's side of a worker: start it, hand it a job, wait without spinning, know how it ended."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from typing import Any, Callable, Dict, Optional

from runner.machine import processes
from runner.measure.outcome import Outcome, oom_kills

TAIL = 2000  # characters of standard error kept with a failure
MARK = "DYNO_WORKER"  # in the environment of a worker and of all that it starts, so that nothing of them outlives it
GRACE_S = 5.0  # for a worker to report on the child that was killed


class Worker:
    """A worker process of one backend; ``dead`` once it has ended."""

    def __init__(self, backend: str, env: Optional[Dict[str, str]] = None) -> None:
        self.backend = backend
        self.import_cpu_s = 0.0  # paid once per run, not by the cell that happens to be first
        self.dead = False
        self._stderr = tempfile.TemporaryFile()
        self._mark = uuid.uuid4().hex.encode("ascii")  # begins each message: what else is written into the pipe is none
        read_fd, write_fd = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "runner.measure.worker", backend, str(write_fd), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._stderr,
            pass_fds=(write_fd,),
            env=dict(os.environ, **dict(env or {}, **{MARK: self._mark.decode("ascii")})),
        )
        self._input: Any = self._process.stdin
        os.close(write_fd)  # only the worker holds it now: its death is the end of the pipe
        self._write(self._mark)
        self._fd, self._buffer = read_fd, b""
        self._child: Any = None  # pid of the measuring process, while there is one

    @property
    def pid(self) -> int:
        return self._process.pid

    def run(
        self,
        job: Dict[str, Any],
        timeout_s: float,
        sampler: Any = None,
        on_part: Optional[Callable[[Dict[str, Any]], None]] = None,
    ) -> Outcome:
        """The Outcome of a job; never raises for what the job does, nor waits longer than ``timeout_s`` and a little.

        ``sampler`` (see runner.measure.sampling) watches the machine from here until the samples end.
        ``on_part`` takes what the job has done so far, part by part; each part has ``timeout_s`` of its own.
        """
        outcome, self._oom_kills = Outcome(), oom_kills()
        self._stderr_from = self._stderr.seek(0, os.SEEK_END)
        self._write(json.dumps(job).encode("utf-8"))
        deadline = time.monotonic() + timeout_s
        sampling = bool(sampler)
        if sampling:
            sampler.start()
        while True:
            left_s = deadline - time.monotonic()
            if left_s <= 0 and not outcome.timed_out:
                outcome.timed_out = True
                self._kill_child()
                deadline, left_s = time.monotonic() + GRACE_S, GRACE_S
            elif left_s <= 0:
                self.kill()
                return self._died(outcome, timeout_s)
            message = self._next(min(left_s, sampler.period_s) if sampling else left_s)
            if message is None:
                if sampling:
                    sampler.sample()
                continue
            if not message:
                return self._died(outcome, timeout_s)
            if "import_error" in message:
                self.kill()
                outcome.reason, outcome.skip = message["import_error"], message["skip"]
                return outcome
            self._child = message.get("child", self._child)
            self.import_cpu_s = message.get("ready", {}).get("cpu_s", self.import_cpu_s)
            if "phase" in message:
                outcome.phase = message["phase"]
                if sampling and outcome.phase == "measure":
                    sampler.begin()
                elif sampling and outcome.phase == "outputs":
                    outcome.readings, sampling = sampler.read(), False
            if "part" in message and on_part:
                on_part(message["part"])
                deadline = time.monotonic() + timeout_s
            if "result" in message:
                outcome.result = message["result"]
            if "error" in message:
                outcome.reason, outcome.skip = message["error"], message["skip"]
            if "exit" in message:
                return self._ended(outcome, message, timeout_s)

    def _write(self, line: bytes) -> None:
        try:
            self._input.write(line + b"\n")
            self._input.flush()
        except OSError:
            pass  # it died meanwhile; the end of the pipe says so

    def _ended(self, outcome: Outcome, message: Dict[str, Any], timeout_s: float) -> Outcome:
        outcome.process_s, outcome.child_cpu_s = message["process_s"], message["child_cpu_s"]
        outcome.worker_cpu_s, self._child = message["worker_cpu_s"], None
        if message["exit"] == 0 and outcome.result is not None:
            return outcome
        outcome.result = None
        outcome.stderr = self._tail()
        if message["exit"] < 0:
            self._ended_by(outcome, "the measuring process", -message["exit"], timeout_s)
        elif outcome.reason is None:
            outcome.reason = "the measuring process ended without a result (exit code %d) in phase %s" % (message["exit"], outcome.phase)
        return outcome

    def _died(self, outcome: Outcome, timeout_s: float) -> Outcome:
        """The pipe has ended: the worker is gone."""
        self.kill()
        outcome.result, outcome.stderr = None, self._tail()
        code = self._process.returncode
        if code is not None and code < 0:
            self._ended_by(outcome, "the worker", -code, timeout_s)
        else:
            outcome.reason = "the worker ended (exit code %s) in phase %s" % (code, outcome.phase)
        return outcome

    def _ended_by(self, outcome: Outcome, who: str, number: int, timeout_s: float) -> None:
        now = oom_kills()
        outcome.oom_kills = None if now is None or self._oom_kills is None else now - self._oom_kills
        outcome.ended_by(who, _signal_name(number))
        if outcome.timed_out:
            outcome.reason = "timeout: no end within %g s (phase %s)" % (timeout_s, outcome.phase)

    def _next(self, timeout_s: float) -> Optional[Dict[str, Any]]:
        """The next message; None if none came in time, {} at the end of the pipe."""
        while b"\n" not in self._buffer:
            if not select.select([self._fd], [], [], max(0, timeout_s))[0]:
                return None
            data = os.read(self._fd, 1 << 16)
            if not data:
                return {}
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        try:
            message = json.loads(line.partition(self._mark)[2].decode("utf-8"))
        except ValueError:
            message = None
        return message if message and isinstance(message, dict) else {"": None}  # something else wrote into the pipe

    def _tail(self) -> Optional[str]:
        self._stderr.seek(self._stderr_from)
        return self._stderr.read().decode("utf-8", "replace").strip()[-TAIL:] or None

    def _kill_child(self) -> None:
        """End the measuring process and what it has started: it leads a process group."""
        for kill in (os.killpg, os.kill) if self._child else ():
            try:
                kill(self._child, signal.SIGKILL)
            except OSError:
                pass

    def kill(self) -> None:
        """End the worker, and with it its child; returns when it has ended."""
        if not self.dead:
            self.dead = True
            try:
                self._process.kill()
            except OSError:
                pass
            self._process.wait()
            self._kill_child()
            processes.end_marked(MARK, self._mark.decode("ascii"))
            try:
                self._input.close()
            except OSError:
                pass
            os.close(self._fd)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return "signal %d" % number
