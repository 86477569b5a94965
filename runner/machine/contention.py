"""How much others were in the way: what threads waited for a CPU, and what of our CPUs others took.

*Run delay* (/proc/self/task/*/schedstat) is how long our own threads were ready to run and did not, in thread-seconds per second: one busy
process beside as many threads as CPUs reads about a half, however many CPUs there are. *Others' share* is /proc/stat of this process's CPUs
against its own CPU time; it also sees who sits on the other half of a core. A cgroup's quota makes no one wait: the kernel throttles the
whole group, and counts that by itself.

Two estimates of the time in which our CPUs were not idle are taken. *Ticks* adds up the kernel's samples
of who runs (100 to 1000 Hz; a process that runs between ticks is missed, one that runs at each is
overrated). *Idle* is elapsed time less idle time, which tickless kernels measure exactly but which also
holds whatever the kernel didn't account for. Below one second the smaller of both counts, because
one tick of a short window is several per cent of it; from there on, idle time.
"""

import os
import resource
import time
from dataclasses import dataclass
from typing import Dict, Optional, Tuple

from runner.machine import sysfs
from runner.machine.threads import affinity

SHORTEST_WINDOW_S = 0.1  # below it one tick of 10 ms says more than what happened
LONG_WINDOW_S = 1.0


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


def snapshot(root="/", own_pids=None):
    """Counters now. Own CPU time is that of this process with all its threads, or of ``own_pids`` where given."""
    allowed = affinity()
    busy_s, idle_s, steal_s = _cpu_times(root, allowed)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    own_s = usage.ru_utime + usage.ru_stime if own_pids is None else _tree_cpu_s(root, own_pids)
    waited_s = _waited_s(root) if own_pids is None else None
    at_s, switches, pressure_s = time.monotonic(), usage.ru_nivcsw, _pressure_s(root)
    return Snapshot(at_s, len(allowed), busy_s, idle_s, steal_s, own_s, switches, pressure_s, waited_s, _throttled(root))


def between(before, after):
    """Readings between two snapshots, as in ``replicates[].contention`` of a record."""
    window_s = after.at_s - before.at_s
    readings = {
        "others_share": None,
        "steal_share": None,
        "pressure_share": None,
        "involuntary_switches": after.involuntary_switches - before.involuntary_switches,
        "run_delay": None,
        "throttled_periods": None,
        "throttled_share": None,
        "window_s": window_s,
    }
    if window_s <= 0:
        return readings
    if before.throttled is not None and after.throttled is not None:
        readings["throttled_periods"] = max(0, after.throttled[0] - before.throttled[0])
        readings["throttled_share"] = max(0.0, after.throttled[1] - before.throttled[1]) / window_s
    if before.waited_s is not None and after.waited_s is not None:
        waited_s = sum(total - before.waited_s.get(thread, 0.0) for thread, total in after.waited_s.items())
        readings["run_delay"] = max(0.0, waited_s / window_s - (readings["throttled_share"] or 0.0))  # what a quota stops waits, too
    if before.pressure_s is not None and after.pressure_s is not None:
        readings["pressure_share"] = _clip((after.pressure_s - before.pressure_s) / window_s)
    capacity_s = window_s * after.cpus
    if window_s < SHORTEST_WINDOW_S or before.cpus != after.cpus or before.busy_s is None or after.busy_s is None:
        return readings
    busy_s, idle_s = after.busy_s - before.busy_s, after.idle_s - before.idle_s
    if busy_s + idle_s < 0.5 * capacity_s:  # a sandbox that fills /proc/stat with zeros, or counters that went back
        return readings
    not_idle_s = capacity_s - idle_s
    if window_s < LONG_WINDOW_S:
        not_idle_s = min(not_idle_s, busy_s)
    readings["others_share"] = _clip((not_idle_s - (after.own_s - before.own_s)) / capacity_s)
    readings["steal_share"] = _clip((after.steal_s - before.steal_s) / capacity_s)
    return readings


def contended(readings, limit):
    """Whether our threads waited more than twice ``limit``, or others took more than it of our CPUs. Unknown is not contended.

    Twice, since on two CPUs, which is few, a busy process of that share makes them wait so long. Of a short window each counts only beyond
    one tick: the share because a tick can feign it, the delay because one wait of a tick is no sign of others.
    """
    window_s = readings["window_s"]
    tick_share = 1.0 / _ticks_per_s() / window_s if 0 < window_s < LONG_WINDOW_S else 0.0
    if (readings.get("run_delay") or 0.0) > 2 * limit + tick_share:
        return True
    share = readings.get("others_share")
    return share is not None and share > limit + tick_share


def wait_for_quiet(limit=0.05, timeout_s=10, sleep=time.sleep, root="/", own_pids=(), clock=time.monotonic):
    """Block until others use at most ``limit`` of our CPUs: (quiet, waited_s, others_share of the last look).

    What this process, its descendants and ``own_pids`` use counts as our own. Where the kernel doesn't say what
    others use, that is quiet with a share of None.
    """
    start_s = clock()
    look_s = SHORTEST_WINDOW_S
    while True:
        before = snapshot(root, own_tree(root, own_pids))
        sleep(look_s * 1.05)  # sleep() may return a little early
        share = between(before, snapshot(root, own_tree(root, own_pids)))["others_share"]
        waited_s = clock() - start_s
        if share is None or share <= limit:
            return True, waited_s, share
        if waited_s >= timeout_s:
            return False, waited_s, share
        look_s = min(2 * look_s, 0.5, max(SHORTEST_WINDOW_S, timeout_s - waited_s))


def own_tree(root="/", also=()):
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


def _cpu_times(root, allowed):
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
    rate = float(_ticks_per_s())
    return busy / rate, idle / rate, steal / rate


def _tree_cpu_s(root, pids):
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
    return ticks / float(_ticks_per_s()) + sum(usage.ru_utime + usage.ru_stime for usage in (own, waited_for))


def _stat_fields(root, pid):
    """Fields of /proc/PID/stat from the state on (a name may hold blanks and brackets), or None."""
    try:
        with open(os.path.join(root, "proc", pid, "stat")) as file:
            return file.read().rpartition(")")[2].split() or None
    except OSError:  # ended meanwhile
        return None


def _waited_s(root):
    """Seconds that each thread of this process was ready and did not run; None where the kernel doesn't count them."""
    folder, waited, ran = os.path.join(root, "proc/self/task"), {}, 0
    for thread in _listdir(folder):
        words = (sysfs.text(root, "proc/self/task/%s/schedstat" % thread) or "").split()
        if len(words) == 3 and all(word.isdigit() for word in words):
            ran += int(words[0])
            waited[thread] = int(words[1]) / 1e9
    return waited if ran else None


def _throttled(root):
    """(periods, seconds) in which a CPU quota stopped this process's cgroup or one above it, the most of them; None without a quota."""
    found = []
    for path in sysfs.cgroup_files(root, "cpu", "cpu.stat"):
        lines = [line.split() for line in (sysfs.text(root, path) or "").splitlines()]
        counts = {words[0]: int(words[1]) for words in lines if len(words) == 2 and words[1].isdigit()}
        if counts.get("nr_periods"):
            found.append((counts.get("nr_throttled", 0), counts.get("throttled_usec", 0) / 1e6 + counts.get("throttled_time", 0) / 1e9))
    return max(found) if found else None


def _pressure_s(root):
    """Seconds in which some task waited for a CPU, or None where the kernel has no PSI."""
    try:
        with open(os.path.join(root, "proc/pressure/cpu")) as file:
            return int(file.readline().rpartition("total=")[2]) / 1e6
    except (OSError, ValueError):
        return None


def _ticks_per_s():
    return os.sysconf("SC_CLK_TCK")


def _clip(share):
    return min(1.0, max(0.0, share))


def _listdir(path):
    try:
        return os.listdir(path)
    except OSError:
        return []
