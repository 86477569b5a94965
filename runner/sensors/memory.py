"""Peak memory of the measuring process on the host, above what its framework takes after import.

A forked process begins with the worker's pages, and its VmHWM with the worker's peak; so the kernel's high-water mark is
reset first (``5`` into /proc/self/clear_refs, Linux 4.0 and later). Where that is not allowed the peak of ru_maxrss is used:
it can't be reset, so what is above the baseline is then an upper bound.
"""

import os
import re
import resource
import sys
from typing import Any, Dict, Optional, Tuple

from runner.machine import sysfs
from runner.sensors import base


class Sensor(base.Sensor):
    where = "inside"
    unit = "bytes"

    def start(self) -> None:
        self.reset = _reset_peak(self.root)
        self.baseline = _status_bytes(self.root, "VmRSS") or _statm_bytes(self.root)
        self.cgroup = _cgroup_peak(self.root)
        self.available_bytes = _meminfo_bytes(self.root, "MemAvailable")

    def read(self, begin_s: Optional[float] = None, end_s: Optional[float] = None) -> Dict[str, Any]:
        peak, method = _status_bytes(self.root, "VmHWM") if self.reset else None, "VmHWM"
        if peak is None:
            peak, method = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024), "ru_maxrss"
        readings: Dict[str, Any] = {
            "peak_bytes": peak,
            "baseline_bytes": self.baseline,
            "above_baseline_bytes": None if self.baseline is None else max(0, peak - self.baseline),
            "method": method,
        }
        available = _meminfo_bytes(self.root, "MemAvailable")
        if self.available_bytes is not None and available is not None:
            # Jetson's GPU shares the host's memory and most of what it takes is in no process's RSS
            readings["system"] = {"taken_bytes": self.available_bytes - available, "method": "MemAvailable"}
        cgroup = _cgroup_peak(self.root)
        if cgroup is not None:
            readings["cgroup"] = {"peak_bytes": cgroup[0], "rose": self.cgroup is None or cgroup[0] > self.cgroup[0], "method": cgroup[1]}
        return readings


def _reset_peak(root: str) -> bool:
    """Whether the high-water mark could be set back to what is resident now."""
    try:
        with open(sysfs.join(root, "proc/self/clear_refs"), "w") as file:
            file.write("5")
    except OSError:
        return False
    peak, resident = _status_bytes(root, "VmHWM"), _status_bytes(root, "VmRSS")
    return peak is not None and resident is not None and peak - resident <= max(2**20, resident // 50)


def _status_bytes(root: str, name: str) -> Optional[int]:
    return _kilobytes(sysfs.text(root, "proc/self/status"), name)


def _meminfo_bytes(root: str, name: str) -> Optional[int]:
    return _kilobytes(sysfs.text(root, "proc/meminfo"), name)


def _kilobytes(content: Optional[str], name: str) -> Optional[int]:
    match = re.search(r"^%s:\s*(\d+) kB" % name, content or "", re.MULTILINE)
    return int(match.group(1)) * 1024 if match else None


def _statm_bytes(root: str) -> Optional[int]:
    words = (sysfs.text(root, "proc/self/statm") or "").split()
    return int(words[1]) * os.sysconf("SC_PAGE_SIZE") if len(words) > 1 else None


def _cgroup_peak(root: str) -> Optional[Tuple[int, str]]:
    """(bytes, name of the file): peak of the whole container since it started, page cache included; None where there is none."""
    for name in ("memory.peak", "memory.max_usage_in_bytes"):
        for path in sysfs.cgroup_files(root, "memory", name):
            peak = sysfs.number(root, path)
            if peak is not None:
                return peak, name
    return None
