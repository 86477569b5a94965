"""SIGKILL for one process of a run at a given place, for the tests of what a run survives.

DYNO_TEST_KILL is ``VICTIM:PLACE``, DYNO_TEST_ARMED a file that is removed before the kill, so that it happens once. The backend
``fault:killed`` and the network ``killing:network`` call ``at(place)``; ``python killing.py ARGUMENTS`` is `dyno ARGUMENTS` whose
supervisor passes places of its own.
"""

import os
import signal
import sys


def at(place, child=True):
    """Kill the victim if this is the place. ``child``: the caller is a measuring process, else the worker."""
    victim, _, where = os.environ.get("DYNO_TEST_KILL", ":").partition(":")
    if where == place and disarm():
        worker = os.getppid() if child else os.getpid()
        pid = {"child": os.getpid(), "worker": worker, "supervisor": parent(worker)}[victim]
        os.kill(pid, signal.SIGKILL)
        signal.pause()  # it takes a moment to die of its parent's death


def disarm():
    try:
        os.remove(os.environ.get("DYNO_TEST_ARMED", ""))
        return True
    except OSError:
        return False


def parent(pid):
    with open("/proc/%d/stat" % pid) as file:
        return int(file.read().rpartition(")")[2].split()[1])


def network():
    at("prepare")
    from tiny_network import architecture

    return architecture()


def supervise(place):
    """Patch this process so that it kills itself at ``place``."""
    from runner.measure import bench, supervise
    from runner.records import file as record_file

    def die():
        if disarm():
            os.kill(os.getpid(), signal.SIGKILL)

    measured = []
    original = {"measure": bench.Bench.measure, "write": os.write, "fsync": os.fsync, "popen": supervise.subprocess.Popen}

    def measure_cell(self, *arguments):
        if measured and place == "between cells":
            die()
        measured.append(arguments[0])
        return original["measure"](self, *arguments)

    def write(fd, data):
        kind = b'"kind":"%s"' % place.split()[-1].encode()
        if place.startswith("half a line of") and kind in bytes(data[:60]):
            original["write"](fd, data[: len(data) // 2])
            die()
            return len(data) // 2
        return original["write"](fd, data)

    def fsync(fd):
        if place == "written, not flushed" and measured:
            die()
        return original["fsync"](fd)

    def popen(*arguments, **options):
        process = original["popen"](*arguments, **options)
        if place == "forking a worker":
            die()
        return process

    def ftruncate(fd, size):
        if place == "setting a torn line aside":
            die()
        os.truncate(fd, size)

    bench.Bench.measure, record_file.os.write, record_file.os.fsync, supervise.subprocess.Popen = measure_cell, write, fsync, popen
    record_file.os.ftruncate = ftruncate


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    supervise(os.environ["DYNO_TEST_KILL"].partition(":")[2])
    from runner.cli import main

    main()
