import os

import pytest

from runner.machine import threads


def tree(tmp_path, files):
    for path, text in files.items():
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return str(tmp_path)


@pytest.fixture
def eight_cpus(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


def test_without_quota_the_cpu_set_counts(eight_cpus, tmp_path):
    assert threads.usable_cpus(str(tmp_path)) == 8
    assert threads.cpu_limits(str(tmp_path)) == {"affinity": list(range(8)), "quota_cpus": None}


def test_a_quota_of_cgroup_v2_limits_the_threads(eight_cpus, tmp_path):
    root = tree(
        tmp_path,
        {"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "250000 100000\n", "sys/fs/cgroup/a/cpu.max": "max 100000\n"},
    )
    assert threads.cpu_limits(root)["quota_cpus"] == 2.5
    assert threads.usable_cpus(root) == 2


def test_a_parent_groups_tighter_quota_wins(eight_cpus, tmp_path):
    root = tree(
        tmp_path,
        {"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "600000 100000\n", "sys/fs/cgroup/a/cpu.max": "300000 100000\n"},
    )
    assert threads.usable_cpus(root) == 3


def test_a_container_finds_its_quota_at_the_mounts_root(eight_cpus, tmp_path):
    root = tree(tmp_path, {"proc/self/cgroup": "0::/../../docker/ab12\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"})
    assert threads.usable_cpus(root) == 2


def test_a_quota_of_cgroup_v1_limits_the_threads(eight_cpus, tmp_path):
    group = "sys/fs/cgroup/cpu,cpuacct/docker/ab12/"
    lines = "11:memory:/docker/ab12\n4:cpu,cpuacct:/docker/ab12\n"
    root = tree(tmp_path, {"proc/self/cgroup": lines, group + "cpu.cfs_quota_us": "400000\n", group + "cpu.cfs_period_us": "100000\n"})
    assert threads.usable_cpus(root) == 4


def test_no_quota_of_cgroup_v1_is_minus_one(eight_cpus, tmp_path):
    group = "sys/fs/cgroup/cpu/"
    root = tree(tmp_path, {"proc/self/cgroup": "4:cpu:/\n", group + "cpu.cfs_quota_us": "-1\n", group + "cpu.cfs_period_us": "100000\n"})
    assert threads.usable_cpus(root) == 8


def test_less_than_one_cpu_is_still_one_thread(eight_cpus, tmp_path):
    root = tree(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"})
    assert threads.usable_cpus(root) == 1


def test_the_real_machine_gives_at_least_one_thread_and_no_more_than_its_set():
    assert 1 <= threads.usable_cpus() <= len(os.sched_getaffinity(0))


def cores(tmp_path, *siblings, **more):
    """A tree in which each CPU names the CPUs of its core."""
    files = {"sys/devices/system/cpu/cpu%d/topology/thread_siblings_list" % cpu: text for cpu, text in enumerate(siblings) if text}
    return tree(tmp_path, dict(files, **more))


PAIRS = ("0,4", "1,5", "2,6", "3,7", "0,4", "1,5", "2,6", "3,7")


def test_of_a_core_with_two_cpus_one_is_used_unless_all_are_asked_for(eight_cpus, tmp_path):
    root = cores(tmp_path, *PAIRS)
    assert threads.for_backends(root=root) == threads.Threads(4, threads.PHYSICAL, "several CPUs share a core")
    assert threads.for_backends(threads.LOGICAL, root) == threads.Threads(8, threads.USABLE, "asked for")
    hybrid = cores(tmp_path / "hybrid", "0-1", "0-1", "2-3", "2-3", "4", "5", "6", "7")
    assert threads.for_backends(root=hybrid).count == 6


def test_without_a_second_cpu_a_core_the_rule_is_as_before(eight_cpus, tmp_path):
    assert threads.for_backends(root=cores(tmp_path, *"01234567")) == threads.Threads(8, threads.USABLE, "no two of them share a core")
    quota = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "300000 100000\n"}
    assert threads.for_backends(root=cores(tmp_path / "quota", *PAIRS, **quota)) == threads.Threads(
        3, threads.USABLE, "no two of them share a core"
    )


def test_where_cores_can_not_be_told_all_usable_cpus_are_used(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 4})  # both of core 0, a half of two others
    half = threads.for_backends(root=cores(tmp_path, *PAIRS))
    assert (half.count, half.rule) == (4, threads.USABLE) and "half" in half.why
    for name, siblings in (("hidden", ()), ("part", ("0,4", "1,5", None)), ("nonsense", ("x", "1", "2", "3", "4"))):
        hidden = threads.for_backends(root=cores(tmp_path / name, *siblings))
        assert (hidden.count, hidden.rule) == (4, threads.USABLE) and "is unknown" in hidden.why
