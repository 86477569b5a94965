"""Checks before anything is measured; each failure comes with the docker flag or the command that fixes it."""

import errno
import os
import tempfile
from typing import List, Optional

from runner import backends, sensors
from runner.doctor import devices
from runner.doctor.devices import Check
from runner.doctor.right_machine import platform_mismatch
from runner.machine import board, contention, environment, sysfs, threads

SPACE_BYTES = 2 * 2**30  # networks as files, engines, records


def checks(results_dir: str, platform: str, root: str = "/") -> List[Check]:
    """All checks that apply to this platform, in the order in which they should be fixed."""
    found = [_platform(platform, root), writable(results_dir)]
    if found[-1].ok:
        lost = volume(results_dir, root)
        found += [lost] if lost else [_owner(results_dir, platform)]
        found += [space(results_dir)]
    found += [devices.device(name, platform, root) for name in environment.declared_devices(root) or ["cpu"]]
    if platform.startswith("jetson"):
        found += [devices.l4t(root), devices.nvidia_runtime(root), devices.power_mode(root)]
    found += [check for check in [devices.gpu_clocks(root, platform.startswith("jetson"))] if check]
    found += [
        Check("backend " + name, False, fault, "mend it, or take it out of DYNO_BACKENDS")
        for name, fault in sorted(backends.faults().items())
    ]
    found += [_governor(platform, root), _quota(root), _contention(root), _memory_counter(root)]
    return found + _counters(root)


def _platform(platform: str, root: str) -> Check:
    error = platform_mismatch(root, platform)
    return Check(
        "platform",
        error is None,
        error or platform,
        "use the image of this machine's own platform; `make platforms` lists them" if error else None,
    )


def writable(path: str) -> Check:
    """Whether the results can be written to ``path``; a full disk, a read-only mount and a lack of rights each have their own fix."""
    mount = "docker run -v $PWD/results:%s" % os.path.abspath(path)
    try:
        os.makedirs(path, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        fix = {
            errno.EROFS: "mount it without :ro: %s" % mount,
            errno.ENOSPC: "free some space there, or mount another folder: %s" % mount,
            errno.EACCES: "docker run --user $(id -u):$(id -g), or on the host: sudo chown -R $(id -u):$(id -g) results",
            errno.EPERM: "docker run --user $(id -u):$(id -g), or on the host: sudo chown -R $(id -u):$(id -g) results",
            errno.ENOTDIR: "a file is in the way: give another folder with --results",
            errno.EEXIST: "a file is in the way: give another folder with --results",
        }.get(error.errno or 0, mount)
        return Check("results folder", False, "%s can't be written: %s" % (path, error.strerror), fix)
    return Check("results folder", True, "%s can be written" % path)


def volume(path: str, root: str = "/") -> Optional[Check]:
    """A failed check where this is one of our images and ``path`` is not a mount: what is measured would go with the container."""
    if not os.environ.get("DYNO_IMAGE"):
        return None
    place = os.path.realpath(path)
    mounts = [line.split()[4] for line in (sysfs.text(root, "proc/self/mountinfo") or "").splitlines() if len(line.split()) > 4]
    if any(place == mount or place.startswith(mount + "/") for mount in mounts if mount != "/"):
        return None
    found = "%s is not a volume: records would be lost with the container" % path
    return Check("results volume", False, found, "mkdir -p results; docker run -v $PWD/results:%s" % place)


def _owner(path: str, platform: str) -> Check:
    owner, me = os.stat(path).st_uid, os.geteuid()
    if owner == me:
        return Check("owner of results", True, "uid %d, the same as this process" % owner)
    found = "%s belongs to uid %d, but records would belong to uid %d" % (path, owner, me)
    if platform == "ncs2":
        return Check("owner of results", None, found, "on the host: sudo chown -R $(id -u):$(id -g) results")
    if owner == 0:  # made by Docker or by root; nobody has to become root for it
        return Check("owner of results", False, found, "on the host: sudo chown -R $(id -u):$(id -g) results")
    return Check("owner of results", False, found, "docker run --user %d:%d" % (owner, os.stat(path).st_gid))


def space(path: str) -> Check:
    """Whether the disk of ``path`` has room for networks and engines."""
    stat = os.statvfs(path)
    free = stat.f_bavail * stat.f_frsize
    found = "%.1f GB free" % (free / 1e9)
    return Check(
        "space",
        free >= SPACE_BYTES,
        found,
        None if free >= SPACE_BYTES else "free at least %.0f GB: networks and engines are kept there" % (SPACE_BYTES / 1e9),
    )


def _governor(platform: str, root: str) -> Check:
    name = board.governor(root)
    if name is None:
        return Check("governor", None, "no cpufreq here (a virtual machine), so clock speeds are unknown")
    fix = "sudo jetson_clocks" if platform.startswith("jetson") else "sudo cpupower frequency-set -g performance"
    return Check("governor", name == "performance", name, None if name == "performance" else "on the host: " + fix)


def _quota(root: str) -> Check:
    limits = threads.cpu_limits(root)
    cpus, quota = len(limits["affinity"]), limits["quota_cpus"]
    if quota is None or quota >= cpus:
        return Check("CPU quota", True, "%d CPUs, and no quota below that" % cpus)
    whole = max(1, int(quota))
    found = "%d CPUs are visible, but a quota allows %.1f: threads are stopped in the middle of an iteration" % (cpus, quota)
    return Check("CPU quota", False, found, "docker run --cpuset-cpus 0-%d instead of --cpus %g" % (whole - 1, quota))


def _contention(root: str) -> Check:
    quiet, _, share = contention.wait_for_quiet(timeout_s=0.5, root=root)
    if share is None:
        return Check("other load", None, "/proc/stat is empty here, so contended cells can't be labelled")
    return Check(
        "other load",
        quiet,
        "other processes use %.0f %% of the CPUs" % (100 * share),
        None if quiet else "stop them (`top` lists them), or cells will be labelled contended",
    )


def _memory_counter(root: str) -> Check:
    try:
        with open(sysfs.join(root, "proc/self/clear_refs"), "w") as file:
            file.write("5")
    except OSError as error:
        return Check(
            "memory counter", None, "the kernel's counter of peak memory (VmHWM) can't be reset (%s), so ru_maxrss is used" % error.strerror
        )
    return Check("memory counter", True, "the kernel's counter of peak memory (VmHWM) can be reset")


def _counters(root: str) -> List[Check]:
    """One check per sensor: there, absent for good, or hidden by something that a flag fixes."""
    found = []
    working, absent = sensors.for_supervisor(root)
    for sensor in working.values():
        sensor.close()
    for name in sorted(working):
        found.append(Check("sensor " + name, True, "can be read"))
    for name, reason in sorted(absent.items()):
        what, hidden, fix = reason.partition(": only root may ")
        found.append(Check("sensor " + name, False if hidden else None, what, fix.strip("()") or None))
    return found
