"""The kernel's counters of who used the CPUs and who waited for them: those of this process, of its container, of the machine."""

import os
import resource
import time
from dataclasses import dataclass
from typing import Dict, FrozenSet, Iterable, List, Optional, Set, Tuple

from runner.machine import sysfs
from runner.machine.threads import affinity


@dataclass(frozen=True)
class Snapshot:
    """Counters at one moment; CPU seconds are summed over ``cpus`` CPUs. None: the kernel doesn't say."""

    at_s: float
    cpus: int
    busy_s: Optional[float]  # user, nice, system, irq, softirq and steal; guest time is in user
    idle_s: Optional[float]  # idle and iowait
    steal_s: Optional[float]
    own_s: float
    involuntary_switches: int
    pressure_s: Optional[float]
    waited_s: Optional[Dict[str, float]] = None  # by thread of this process
    throttled: Optional[Tuple[int, float]] = None  # periods and seconds in which a quota stopped this process's cgroup


def snapshot(root: str = "/", own_pids: Optional[Iterable[int]] = None) -> Snapshot:
    """Counters now. Own CPU time is that of this process with all its threads, or of ``own_pids`` where given."""
    allowed = affinity()
    busy_s, idle_s, steal_s = _cpu_times(root, allowed)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    own_s = usage.ru_utime + usage.ru_stime if own_pids is None else tree_cpu_s(root, own_pids)
    waited_s = _waited_s(root) if own_pids is None else None
    at_s, switches, pressure_s = time.monotonic(), usage.ru_nivcsw, _pressure_s(root)
    return Snapshot(at_s, len(allowed), busy_s, idle_s, steal_s, own_s, switches, pressure_s, waited_s, _throttled(root))


def own_tree(root: str = "/", also: Iterable[int] = ()) -> Set[int]:
    """Pids of this process, its descendants and ``also``."""
    parents = {}
    for name in _listdir(os.path.join(root, "proc")):
        fields = _stat_fields(root, name) if name.isdigit() else None
        if fields:
            parents[int(name)] = int(fields[1])
    tree = {os.getpid()}
    grew = True
    while grew:
        more = {pid for pid, parent in parents.items() if parent in tree} - tree
        tree |= more
        grew = bool(more)
    return tree | set(also)


def _cpu_times(root: str, allowed: FrozenSet[int]) -> Tuple[Optional[float], Optional[float], Optional[float]]:
    """(busy, idle, steal) seconds summed over the CPUs in ``allowed``; None where /proc/stat isn't there."""
    busy = idle = steal = seen = 0
    try:
        with open(os.path.join(root, "proc/stat")) as file:
            for line in file:
                if not line.startswith("cpu"):
                    break  # the CPUs come first; the interrupts after them are long
                name, rest = line.split(None, 1)
                if name == "cpu" or int(name[3:]) not in allowed:
                    continue
                ticks = ([int(word) for word in rest.split()] + [0] * 8)[:8]
                user, nice, system, idled, iowait, irq, softirq, stolen = ticks
                busy += user + nice + system + irq + softirq + stolen
                idle += idled + iowait
                steal += stolen
                seen += 1
    except (OSError, ValueError):
        return None, None, None
    if seen < len(allowed):  # fewer CPUs than we may use: a view of some other machine
        return None, None, None
    rate = float(ticks_per_s())
    return busy / rate, idle / rate, steal / rate


def tree_cpu_s(root: str, pids: Iterable[int]) -> float:
    """CPU seconds of ``pids``, with those of the children that they have waited for."""
    ticks = 0
    for pid in pids:
        if pid == os.getpid():
            continue
        fields = _stat_fields(root, str(pid))
        if fields:
            ticks += sum(int(word) for word in fields[11:15])  # utime stime cutime cstime
    own = resource.getrusage(resource.RUSAGE_SELF)
    waited_for = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ticks / float(ticks_per_s()) + sum(usage.ru_utime + usage.ru_stime for usage in (own, waited_for))


def _stat_fields(root: str, pid: str) -> Optional[List[str]]:
    """Fields of /proc/PID/stat from the state on (a name may hold blanks and brackets), or None."""
    try:
        with open(os.path.join(root, "proc", pid, "stat")) as file:
            return file.read().rpartition(")")[2].split() or None
    except OSError:  # ended meanwhile
        return None


def _waited_s(root: str) -> Optional[Dict[str, float]]:
    """Seconds that each thread of this process was ready and did not run; None where the kernel doesn't count them."""
    folder, waited, ran = os.path.join(root, "proc/self/task"), {}, 0
    for thread in _listdir(folder):
        words = (sysfs.text(root, "proc/self/task/%s/schedstat" % thread) or "").split()
        if len(words) == 3 and all(word.isdigit() for word in words):
            ran += int(words[0])
            waited[thread] = int(words[1]) / 1e9
    return waited if ran else None


def _throttled(root: str) -> Optional[Tuple[int, float]]:
    """(periods, seconds) in which a CPU quota stopped this process's cgroup or one above it, the most of them; None without a quota."""
    found = []
    for path in sysfs.cgroup_files(root, "cpu", "cpu.stat"):
        lines = [line.split() for line in (sysfs.text(root, path) or "").splitlines()]
        counts = {words[0]: int(words[1]) for words in lines if len(words) == 2 and words[1].isdigit()}
        if counts.get("nr_periods"):
            found.append((counts.get("nr_throttled", 0), counts.get("throttled_usec", 0) / 1e6 + counts.get("throttled_time", 0) / 1e9))
    return max(found) if found else None


def _pressure_s(root: str) -> Optional[float]:
    """Seconds in which some task waited for a CPU, or None where the kernel has no PSI."""
    try:
        with open(os.path.join(root, "proc/pressure/cpu")) as file:
            return int(file.readline().rpartition("total=")[2]) / 1e6
    except (OSError, ValueError):
        return None


def ticks_per_s() -> int:
    """Ticks a second of /proc's counters."""
    return os.sysconf("SC_CLK_TCK")


def _listdir(path: str) -> List[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []
