"""Processes that end with the one that started them, and those that didn't."""

import ctypes
import os
import signal
import sys
from typing import Callable


def tied(how: int = signal.SIGKILL) -> Callable[[], None]:
    """What a child calls first, so that it gets the signal ``how`` when this process dies, however that happens (Linux; nothing elsewhere).

    Made before the fork, so that the child has nothing to import: it may be the ``preexec_fn`` of a process.
    """
    return tied_to(os.getpid(), how)


def tied_to(parent: int, how: int = signal.SIGKILL) -> Callable[[], None]:
    """As `tied`, to a parent by its process id."""
    if not sys.platform.startswith("linux"):
        return lambda: None
    prctl = ctypes.CDLL(None).prctl

    def tie() -> None:
        prctl(1, how)  # 1: PR_SET_PDEATHSIG
        if os.getppid() != parent:  # it died before that
            os._exit(1)

    return tie


def end_marked(name: str, value: str) -> None:
    """Kill every process that was started with this in its environment, wherever it went since (Linux; nothing elsewhere)."""
    mark = ("%s=%s" % (name, value)).encode("ascii")
    for pid in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        try:
            if pid.isdigit():
                with open("/proc/%s/environ" % pid, "rb") as file:
                    if mark in file.read().split(b"\0"):
                        os.kill(int(pid), signal.SIGKILL)
        except OSError:  # it has ended, or is another user's
            continue
