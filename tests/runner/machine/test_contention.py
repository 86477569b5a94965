"""The share of the CPUs that others took: exact on built trees, and with real processes beside real work."""

import dataclasses
import os
import subprocess
import sys
import threading
import time
import zlib

import pytest
import trees

from runner.machine import contention, cpu_counters
from runner.machine.threads import affinity

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUSY = [sys.executable, "-c", "while True: pass"]


@pytest.fixture
def two_cpus(monkeypatch):
    monkeypatch.setattr(cpu_counters, "affinity", lambda: frozenset([0, 1]))
    monkeypatch.setattr(cpu_counters, "ticks_per_s", lambda: 100)
    monkeypatch.setattr(contention, "ticks_per_s", lambda: 100)


def at(root, seconds, cpus, own_s=0.0, total_us=None):
    """A snapshot of a built tree at a moment of our own making."""
    files = {"proc/stat": trees.stat(cpus)}
    if total_us is not None:
        files["proc/pressure/cpu"] = "some avg10=0.00 avg60=0.00 avg300=0.00 total=%d\nfull avg10=0.00 total=0" % total_us
    taken = cpu_counters.snapshot(trees.build(root, files))
    return cpu_counters.Snapshot(seconds, taken.cpus, taken.busy_s, taken.idle_s, taken.steal_s, own_s, 0, taken.pressure_s)


def test_others_share_is_what_was_not_idle_less_our_own(tmp_path, two_cpus):
    before = at(tmp_path, 0.0, [(0, 0, 0, 0, 0), (0, 0, 0, 0, 0)], 0.0, 0)
    after = at(tmp_path, 10.0, [(900, 50, 0, 0, 50), (400, 0, 500, 100, 0)], 9.0, 2500000)
    readings = contention.between(before, after)
    assert readings["others_share"] == pytest.approx((20 - 6 - 9) / 20.0)  # 14 of 20 CPU seconds not idle, 9 of them ours
    assert readings["steal_share"] == pytest.approx(0.5 / 20)
    assert readings["pressure_share"] == pytest.approx(0.25)
    assert readings["window_s"] == 10.0


def test_waiting_for_a_disk_is_idle(tmp_path, two_cpus):
    before = at(tmp_path, 0.0, [(0, 0, 0, 0, 0)] * 2)
    after = at(tmp_path, 2.0, [(0, 0, 0, 200, 0), (0, 0, 200, 0, 0)])
    assert contention.between(before, after)["others_share"] == 0.0


def test_cpus_that_this_process_may_not_use_do_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr(cpu_counters, "affinity", lambda: frozenset([1]))
    monkeypatch.setattr(cpu_counters, "ticks_per_s", lambda: 100)
    monkeypatch.setattr(contention, "ticks_per_s", lambda: 100)
    before = at(tmp_path, 0.0, [(0, 0, 0, 0, 0), (0, 0, 0, 0, 0)])
    after = at(tmp_path, 1.0, [(0, 0, 100, 0, 0), (25, 0, 75, 0, 0)])
    assert contention.between(before, after)["others_share"] == pytest.approx(0.25)


def test_a_window_shorter_than_ten_ticks_tells_nothing(tmp_path, two_cpus):
    before = at(tmp_path, 0.0, [(0, 0, 0, 0, 0)] * 2)
    after = at(tmp_path, 0.05, [(5, 0, 0, 0, 0)] * 2)
    readings = contention.between(before, after)
    assert readings["others_share"] is None and not contention.contended(readings, 0.05)


def test_one_tick_of_a_short_window_is_not_contention(tmp_path, two_cpus):
    before = at(tmp_path, 0.0, [(0, 0, 0, 0, 0)] * 2)
    one_tick = contention.between(before, at(tmp_path, 0.1, [(1, 0, 9, 0, 0), (1, 0, 9, 0, 0)]))
    busy = contention.between(before, at(tmp_path, 0.1, [(10, 0, 0, 0, 0), (0, 0, 10, 0, 0)]))
    assert one_tick["others_share"] == pytest.approx(0.1) and not contention.contended(one_tick, 0.05)
    assert busy["others_share"] == pytest.approx(0.5) and contention.contended(busy, 0.05)


def test_in_a_short_window_both_ticks_and_idle_time_must_tell_of_others(tmp_path, two_cpus):
    before = at(tmp_path, 0.0, [(0, 0, 0, 0, 0)] * 2)
    ticks_only = at(tmp_path, 0.2, [(4, 0, 20, 0, 0), (4, 0, 20, 0, 0)])
    idle_only = at(tmp_path, 0.2, [(0, 0, 15, 0, 0), (0, 0, 15, 0, 0)])
    assert contention.between(before, ticks_only)["others_share"] == 0.0
    assert contention.between(before, idle_only)["others_share"] == 0.0


def test_a_long_window_is_contended_from_the_limit_on(tmp_path, two_cpus):
    before = at(tmp_path, 0.0, [(0, 0, 0, 0, 0)] * 2)
    for ticks, expected in ((90, False), (110, True)):
        after = at(tmp_path, 10.0, [(ticks, 0, 1000 - ticks, 0, 0), (0, 0, 1000, 0, 0)])
        assert contention.contended(contention.between(before, after), 0.05) is expected


def test_a_sandbox_without_counters_is_unknown_not_contended(tmp_path, two_cpus):
    before, after = (at(tmp_path, seconds, [(0, 0, 0, 0, 0)] * 2) for seconds in (0.0, 5.0))
    readings = contention.between(before, after)
    assert readings["others_share"] is None and not contention.contended(readings, 0.05)


def test_no_proc_at_all_is_unknown_and_counts_as_quiet(tmp_path):
    readings = contention.between(cpu_counters.snapshot(str(tmp_path)), cpu_counters.snapshot(str(tmp_path)))
    assert readings["others_share"] is None and readings["pressure_share"] is None
    assert contention.wait_for_quiet(root=str(tmp_path), sleep=lambda seconds: time.sleep(0.01))[::2] == (True, None)


def test_what_threads_waited_for_a_cpu_counts_however_many_cpus_there_are(tmp_path, two_cpus):
    def taken(seconds, *waited_ms):
        files = {"proc/self/task/%d/schedstat" % at: "%d %d 7" % (seconds * 1e9, 1e6 * ms) for at, ms in enumerate(waited_ms)}
        found = cpu_counters.snapshot(trees.build(tmp_path, dict(files, **{"proc/stat": trees.stat([(0, 0, 0, 0, 0)] * 2)})))
        return dataclasses.replace(found, at_s=seconds)

    before = taken(1.0, 10, 20)
    quiet, busy = (contention.between(before, taken(3.0, *waited)) for waited in ((30, 30, 10), (30, 30, 1010)))
    assert quiet["run_delay"] == pytest.approx(0.02) and not contention.contended(quiet, 0.05)
    assert busy["run_delay"] == pytest.approx(0.52) and contention.contended(busy, 0.05)
    assert contention.between(before, taken(3.0))["run_delay"] is not None
    one_wait = dict(quiet, delay_by_others=0.8, window_s=0.005)  # of 4 ms, shorter than a tick
    assert not contention.contended(one_wait, 0.05) and contention.contended(dict(one_wait, window_s=2.0), 0.05)
    nothing = cpu_counters.snapshot(str(tmp_path / "none"))
    assert nothing.waited_s is None and contention.between(nothing, nothing)["run_delay"] is None


@pytest.mark.parametrize("others_ticks, by_others", [(0, 0.0), (40, 0.2), (100, 0.5)])
def test_only_as_much_of_the_wait_is_put_down_to_others_as_they_used_cpu_time(tmp_path, two_cpus, others_ticks, by_others):
    before = dataclasses.replace(at(tmp_path, 0.0, [(0, 0, 0, 0, 0)] * 2), waited_s={"1": 0.0})
    used = at(tmp_path, 2.0, [(150 + others_ticks // 2, 0, 50 - others_ticks // 2, 0, 0)] * 2, own_s=3.0)
    readings = contention.between(before, dataclasses.replace(used, waited_s={"1": 1.04}))
    assert readings["run_delay"] == pytest.approx(0.52)
    assert readings["delay_by_others"] == pytest.approx(by_others, abs=0.01)
    assert contention.contended(dict(readings, others_share=None), 0.05) == (by_others > 0.1)


@pytest.mark.parametrize(
    "group, path, counts",
    [
        ("0::/a/b", "sys/fs/cgroup/a/b/cpu.stat", "usage_usec 9\nnr_periods %d\nnr_throttled %d\nthrottled_usec %d"),
        ("4:cpu,cpuacct:/a/b", "sys/fs/cgroup/cpu,cpuacct/a/b/cpu.stat", "nr_periods %d\nnr_throttled %d\nthrottled_time %d000"),
    ],
)
def test_what_a_quota_stops_is_counted_of_either_cgroup(tmp_path, group, path, counts):
    def taken(seconds, *values):
        return dataclasses.replace(
            cpu_counters.snapshot(trees.build(tmp_path, {"proc/self/cgroup": group, path: counts % values})), at_s=seconds
        )

    readings = contention.between(taken(1.0, 100, 10, 500000), taken(3.0, 120, 25, 1500000))
    assert readings["throttled_periods"] == 15 and readings["throttled_share"] == pytest.approx(0.5)
    waiting = [dataclasses.replace(taken(at, 100, 10, 1000000 * at), waited_s={"1": waited}) for at, waited in ((1.0, 0.0), (3.0, 1.9))]
    assert contention.between(*waiting)["run_delay"] == pytest.approx(0.0)  # nobody was in the way: all of it is the quota's
    free = contention.between(taken(1.0, 0, 0, 0), taken(3.0, 0, 0, 0))
    assert free["throttled_share"] is None


QUOTA = "/sys/fs/cgroup/cpu/dyno-test-%d"
CHILD = """
import os, sys, time
from runner.machine import contention, cpu_counters
with open(sys.argv[1], "w") as members:  # only now: under the quota the imports alone would take minutes
    members.write(str(os.getpid()))
before, end = cpu_counters.snapshot(), time.monotonic() + 0.6
while time.monotonic() < end:
    pass
after = cpu_counters.snapshot()
with open("/sys/fs/cgroup/cpu/cgroup.procs", "w") as members:
    members.write(str(os.getpid()))
print(contention.between(before, after))
"""


@pytest.mark.skipif(
    not os.access("/sys/fs/cgroup/cpu", os.W_OK) or not os.path.exists("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
    reason="needs the right to make a cgroup (v1) with a quota",
)
def test_a_real_quota_of_a_twentieth_of_a_cpu_is_seen():
    folder = QUOTA % os.getpid()
    os.mkdir(folder)
    try:
        for name, value in (("cpu.cfs_period_us", "20000"), ("cpu.cfs_quota_us", "1000")):
            with open(os.path.join(folder, name), "w") as file:
                file.write(value)
        members = os.path.join(folder, "cgroup.procs")
        said = subprocess.check_output([sys.executable, "-c", CHILD, members], cwd=ROOT).decode()
        readings = eval(said)
        assert readings["throttled_periods"] >= 3 and readings["throttled_share"] > 0.3
    finally:
        os.rmdir(folder)


def test_waiting_for_quiet_ends_when_it_is_quiet_and_gives_up_in_time(monkeypatch):
    now, shares = [0.0], [0.9, 0.4, 0.2, 0.01]

    def sleep(seconds):
        now[0] += seconds

    monkeypatch.setattr(contention, "between", lambda before, after: {"others_share": shares.pop(0)})
    quiet, waited_s, share = contention.wait_for_quiet(0.05, 10, sleep, clock=lambda: now[0])
    assert (quiet, share) == (True, 0.01) and waited_s < 1.5
    now[0], shares[:] = 0.0, [0.9] * 100
    quiet, waited_s, share = contention.wait_for_quiet(0.05, 3, sleep, clock=lambda: now[0])
    assert (quiet, share) == (False, 0.9) and 3 <= waited_s < 3.6


def test_waiting_for_quiet_does_not_spin(monkeypatch):
    monkeypatch.setattr(contention, "between", lambda before, after: {"others_share": 0.9})
    before = time.process_time()
    quiet, waited_s, _ = contention.wait_for_quiet(timeout_s=1.0)
    assert not quiet and waited_s >= 1.0
    assert time.process_time() - before < 0.2


def least(work, windows=6):
    """The smallest share of others over several windows with ``work`` in them, and our own share then: this machine may not be quiet."""
    found = []
    for _ in range(windows):
        before = cpu_counters.snapshot()
        work()
        after = cpu_counters.snapshot()
        found.append((contention.between(before, after)["others_share"], (after.own_s - before.own_s) / (after.at_s - before.at_s)))
    return min(found)


def work_for(seconds):
    """Work that does not hold the interpreter's lock, so that threads really run at once; hashlib holds it where Python has no OpenSSL."""
    block, end = os.urandom(1 << 18), time.monotonic() + seconds
    while time.monotonic() < end:
        zlib.compress(block)


def test_busy_threads_of_our_own_are_not_others():
    def work():
        threads = [threading.Thread(target=work_for, args=(0.3,)) for _ in affinity()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    before = cpu_counters.snapshot()
    for _ in range(50):  # where many run beside it, 0.3 s of work are no 0.1 s of CPU
        work()
        after = cpu_counters.snapshot()
        if after.own_s - before.own_s > 0.1:
            break
    share, own_s = contention.between(before, after)["others_share"], after.own_s - before.own_s
    assert share + own_s / ((after.at_s - before.at_s) * after.cpus) <= 1.1  # whatever others take, our own is not in it
    assert own_s > 0.1


def test_a_busy_process_beside_us_is_others_while_we_work_and_while_we_sleep():
    cpus = len(affinity())
    busy = subprocess.Popen(BUSY)
    try:
        time.sleep(0.2)
        for work in (lambda: time.sleep(0.4), lambda: work_for(0.4)):
            share, _ = least(work, windows=2)
            assert share > 0.5 / cpus  # it gets a CPU, or its fair part of one where this machine is full
    finally:
        busy.kill()
        busy.wait()


def test_busy_processes_beside_us_make_our_thread_wait_for_a_cpu():
    busy = [subprocess.Popen(BUSY) for _ in affinity()]
    try:
        time.sleep(0.2)
        before = cpu_counters.snapshot()
        work_for(0.6)
        readings = contention.between(before, cpu_counters.snapshot())
        assert readings["run_delay"] > 0.2 and contention.contended(dict(readings, others_share=None), 0.05)
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_own_threads_that_wait_for_each_other_are_not_others():
    start = threading.Event()
    threads = [threading.Thread(target=lambda: start.wait() and work_for(0.5)) for _ in range(3 * len(affinity()))]
    for thread in threads:
        thread.start()
    before = cpu_counters.snapshot()
    start.set()
    time.sleep(0.4)
    readings = contention.between(before, cpu_counters.snapshot())
    for thread in threads:
        thread.join()
    assert readings["run_delay"] > len(affinity())  # others can't have used as much, however full the machine
    assert readings["delay_by_others"] < readings["run_delay"] - 0.5


def test_the_process_tree_of_the_supervisor_is_our_own_but_its_neighbour_is_not():
    child = subprocess.Popen([sys.executable, "-c", "import subprocess, sys; subprocess.call([sys.executable, '-c', 'while True: pass'])"])
    try:
        for _ in range(50):
            tree = cpu_counters.own_tree()
            if len(tree) >= 3:
                break
            time.sleep(0.05)
        assert {os.getpid(), child.pid} < tree and os.getppid() not in tree
        before = cpu_counters.snapshot(own_pids=tree)
        for _ in range(50):  # where many run beside it, half a second is no 0.1 s of CPU
            time.sleep(0.5)
            own_s = cpu_counters.snapshot(own_pids=tree).own_s - before.own_s
            if own_s > 0.1:
                break
        assert own_s > 0.1  # the grandchild's
    finally:
        for pid in cpu_counters.own_tree() - {os.getpid()}:
            os.kill(pid, 9)
        child.wait()


def test_a_name_with_brackets_and_blanks_is_read(tmp_path):
    trees.build(tmp_path, {"proc/77/stat": "77 (a) b (c) S %d 1 1 0 -1 0 0 0 0 0 150 50 25 25 20 0" % os.getpid()})
    assert 77 in cpu_counters.own_tree(str(tmp_path))
    rate = float(os.sysconf("SC_CLK_TCK"))
    with_it = cpu_counters.tree_cpu_s(str(tmp_path), {77, os.getpid()}) - cpu_counters.tree_cpu_s(str(tmp_path), {os.getpid()})
    assert with_it == pytest.approx(250 / rate, abs=0.05)
