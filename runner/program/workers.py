"""Processes and threads that a command starts for its own work. Those of a measured network: runner.machine.threads.for_backends."""

import signal
import subprocess
from typing import Any, Sequence

from runner.machine import processes, threads

GRACE_S = 20.0  # that a child has to end its own processes


def count() -> int:
    """How many processes or threads: one per CPU that this process may use, by its CPU set and its cgroup's quota; at least 1."""
    return threads.usable_cpus()


def in_pool(parent: int) -> None:
    """First call of a process in a pool of ``parent``: it dies with it, and leaves Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    processes.tied_to(parent)()


def run_child(words: Sequence[str], stderr: int = subprocess.PIPE, **options: Any) -> Any:
    """A `dyno` of its own process, run to its end: its CompletedProcess with texts. It is stopped, as by Ctrl-C, when this process is or dies."""
    tie = processes.tied(signal.SIGTERM)
    child = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        universal_newlines=True,
        errors="replace",
        preexec_fn=tie,
        **options,
    )
    try:
        out, err = child.communicate()
    except BaseException:
        child.terminate()
        try:
            child.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            child.kill()
        raise
    return subprocess.CompletedProcess(words, child.returncode, out, err)
