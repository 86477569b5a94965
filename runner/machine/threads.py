"""How many threads this process should use: its CPU set and its cgroup's quota, not the machine's CPUs, and one a core.

A container with ``--cpus 2`` on 64 CPUs sees all 64; a framework that starts 64 threads there is throttled
by the kernel, and its latency says more about the quota than about the network. Of the two CPUs of a core that has two, one is used:
PyTorch, ONNX Runtime and OpenVINO do so unless configured otherwise. Where the topology isn't known, all usable CPUs are used.
"""

import os
from dataclasses import dataclass
from typing import Any, Dict, FrozenSet, List, Optional, Sequence

from runner.machine import sysfs

CORES, LOGICAL = "cores", "logical"  # what a matrix may ask for (protocol.threads)
USABLE, PHYSICAL = "usable CPUs", "physical cores"  # the rules as they are recorded; they differ only where they give another number


@dataclass(frozen=True)
class Threads:
    """``count`` threads by a ``rule``, and why by that one."""

    count: int
    rule: str
    why: str


def for_backends(asked: str = CORES, root: str = "/") -> Threads:
    """The threads that a backend is given here."""
    usable = usable_cpus(root)
    if asked == LOGICAL:
        return Threads(usable, USABLE, "asked for")
    cpus = cpu_limits(root)["affinity"]
    siblings = [_siblings(root, cpu) for cpu in cpus]
    if not all(siblings):
        return Threads(usable, USABLE, "which CPUs share a core is unknown")
    if any(not set(shared or ()) <= set(cpus) for shared in siblings):
        return Threads(usable, USABLE, "only half of some cores may be used")
    cores = len({tuple(shared or ()) for shared in siblings})
    if cores >= usable:
        return Threads(usable, USABLE, "no two of them share a core")
    return Threads(cores, PHYSICAL, "several CPUs share a core")


def _siblings(root: str, cpu: int) -> Optional[List[int]]:
    """The CPUs of this CPU's core, itself included; None where the kernel doesn't say."""
    folder = "sys/devices/system/cpu/cpu%d/topology/" % cpu
    text = sysfs.text(root, folder + "thread_siblings_list") or sysfs.text(root, folder + "core_cpus_list")
    found: List[int] = []
    try:
        for part in (text or "").split(","):
            first, _, last = part.partition("-")
            found += range(int(first), int(last or first) + 1)
    except ValueError:
        return None
    return found if cpu in found else None


def usable_cpus(root: str = "/") -> int:
    """Threads a compute-bound process should use here: at least 1, quotas rounded down (1.5 CPUs feed one thread)."""
    limits = cpu_limits(root)
    cpus = len(limits["affinity"])
    if limits["quota_cpus"] is not None:
        cpus = min(cpus, int(limits["quota_cpus"] + 1e-6))
    return max(1, cpus)


def cpu_limits(root: str = "/") -> Dict[str, Any]:
    """``affinity`` (CPU numbers the process may run on) and ``quota_cpus`` (CPUs' worth of time, None if unlimited)."""
    return {"affinity": sorted(affinity()), "quota_cpus": _quota(root)}


def affinity() -> FrozenSet[int]:
    """CPUs that this process may run on."""
    try:
        return frozenset(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no CPU sets
        return frozenset(range(os.cpu_count() or 1))


def _quota(root: str) -> Optional[float]:
    """The tightest quota from the process's cgroup up to the root, in CPUs, cgroup v1 or v2; None where there is none."""
    quotas = [_of_words((sysfs.text(root, path) or "").split()) for path in sysfs.cgroup_files(root, "cpu", "cpu.max")]
    for path in sysfs.cgroup_files(root, "cpu", "cpu.cfs_quota_us"):
        period = os.path.join(os.path.dirname(path), "cpu.cfs_period_us")
        quotas.append(_of_words([str(sysfs.number(root, path)), str(sysfs.number(root, period))]))
    found = [quota for quota in quotas if quota]
    return min(found) if found else None


def _of_words(words: Sequence[str]) -> Optional[float]:
    """CPUs of ["50000", "100000"], quota and period; None for "max", -1 and anything but a pair of numbers."""
    if len(words) != 2 or not all(word.isdigit() for word in words) or not int(words[1]):
        return None
    return int(words[0]) / int(words[1])
