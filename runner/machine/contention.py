"""How much others were in the way: what threads waited for a CPU, and what of our CPUs others took.

*Run delay* (/proc/self/task/*/schedstat) is how long our own threads were ready to run and did not, in thread-seconds per second: one busy
process beside as many threads as CPUs reads about a half, however many CPUs there are. *Others' share* is /proc/stat of this process's CPUs
against its own CPU time; it also sees who sits on the other half of a core. Our own threads make each other wait too: OpenVINO at 0.5 ms a
call reads 0.2 on a quiet machine of two CPUs. Only as much of the delay is put down to others (*delay by others*) as they used CPU time. A
cgroup's quota is no wait for others either: the kernel throttles the whole group, and counts that separately.

Two estimates of the time in which our CPUs were not idle are taken. *Ticks* adds up the kernel's samples
of who runs (100 to 1000 Hz; a process that runs between ticks is missed, one that runs at each is
overrated). *Idle* is elapsed time less idle time, which tickless kernels measure exactly but which also
holds whatever the kernel didn't account for. Below one second the smaller of both counts, because
one tick of a short window is several per cent of it; from there on, idle time.
"""

import time
from typing import Any, Callable, Dict, Iterable, Optional, Tuple

from runner.machine.cpu_counters import Snapshot, own_tree, snapshot, ticks_per_s

SHORTEST_WINDOW_S = 0.1  # below it one tick of 10 ms says more than what happened
LONG_WINDOW_S = 1.0


def between(before: Snapshot, after: Snapshot) -> Dict[str, Any]:
    """Readings between two snapshots, as in ``replicates[].contention`` of a record."""
    window_s = after.at_s - before.at_s
    readings = {
        "others_share": None,
        "steal_share": None,
        "pressure_share": None,
        "involuntary_switches": after.involuntary_switches - before.involuntary_switches,
        "run_delay": None,
        "delay_by_others": None,
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
        readings["delay_by_others"] = readings["run_delay"]
    pressure_s = _rise(before.pressure_s, after.pressure_s)
    if pressure_s is not None:
        readings["pressure_share"] = _clip(pressure_s / window_s)
    capacity_s = window_s * after.cpus
    busy_s, idle_s, steal_s = (_rise(getattr(before, name), getattr(after, name)) for name in ("busy_s", "idle_s", "steal_s"))
    if window_s < SHORTEST_WINDOW_S or before.cpus != after.cpus or busy_s is None or idle_s is None or steal_s is None:
        return readings
    if busy_s + idle_s < 0.5 * capacity_s:  # a sandbox that fills /proc/stat with zeros, or counters that went back
        return readings
    not_idle_s = capacity_s - idle_s
    if readings["run_delay"] is not None:
        others_s = max(not_idle_s, busy_s) - (after.own_s - before.own_s)  # the larger estimate: nobody is cleared by a tick too few
        readings["delay_by_others"] = min(readings["run_delay"], max(0.0, others_s / window_s))
    if window_s < LONG_WINDOW_S:
        not_idle_s = min(not_idle_s, busy_s)
    readings["others_share"] = _clip((not_idle_s - (after.own_s - before.own_s)) / capacity_s)
    readings["steal_share"] = _clip(steal_s / capacity_s)
    return readings


def contended(readings: Dict[str, Any], limit: float) -> bool:
    """Whether others made our threads wait more than twice ``limit``, or took more than it of our CPUs. Unknown is not contended.

    Twice, since on two CPUs, which is few, a busy process of that share makes them wait so long. Of a short window each counts only beyond
    one tick: the share because a tick can feign it, the delay because one wait of a tick is no sign of others.
    """
    window_s = readings["window_s"]
    tick_share = 1.0 / ticks_per_s() / window_s if 0 < window_s < LONG_WINDOW_S else 0.0
    if (readings.get("delay_by_others") or 0.0) > 2 * limit + tick_share:
        return True
    share = readings.get("others_share")
    return share is not None and share > limit + tick_share


def wait_for_quiet(
    limit: float = 0.05,
    timeout_s: float = 10,
    sleep: Callable[[float], Any] = time.sleep,
    root: str = "/",
    own_pids: Iterable[int] = (),
    clock: Callable[[], float] = time.monotonic,
) -> Tuple[bool, float, Optional[float]]:
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


def _rise(before: Optional[float], after: Optional[float]) -> Optional[float]:
    """How much a counter rose; None where the kernel doesn't say."""
    return None if before is None or after is None else after - before


def _clip(share: float) -> float:
    return min(1.0, max(0.0, share))
