"""Clocks of the CPUs, and the kernel's counts of thermal throttling.

A low clock is not a sign of throttling: an idle CPU and a governor do that too. What counts is Intel's own counter of throttle events.
"""

import re
from typing import Any, Dict, Optional

from runner.machine import sysfs
from runner.sensors import base

CPUS = "sys/devices/system/cpu/cpu[0-9]*/"


class Sensor(base.Sensor):
    def available(self) -> Optional[str]:
        self.clocks = {"".join(re.findall(r"/(cpu\d+)/", path)): path for path in sysfs.find(self.root, CPUS + "cpufreq/scaling_cur_freq")}
        self.counters = sysfs.find(self.root, CPUS + "thermal_throttle/*_throttle_count")
        return None if self.clocks or self.counters else "no cpufreq: a virtual machine, or its driver isn't loaded"

    def take(self, at_s: float) -> None:
        values: Dict[str, Optional[float]] = {cpu: sysfs.number(self.root, path) for cpu, path in self.clocks.items()}
        counts = [sysfs.number(self.root, path) for path in self.counters]
        values["throttle_count"] = base.total(counts)
        if self.clocks and all(values[cpu] is None for cpu in self.clocks):
            raise OSError("no CPU's clock can be read")
        self.samples.add(at_s, values)

    def read(self, begin_s: Optional[float] = None, end_s: Optional[float] = None) -> Dict[str, Any]:
        columns = self.samples.within(begin_s, end_s)
        counts = columns.pop("throttle_count", [])
        events = counts[-1] - counts[0] if counts else None
        clocks = [1000 * khz for values in columns.values() for khz in values]
        readings = {
            "clock_hz": base.summary(clocks),
            "throttle_events": events,
            "throttled": ["%d thermal throttle events of the CPU" % events] if events else [] if counts else None,
        }
        reason = self.samples.why_none(begin_s, end_s, bool(clocks or counts))
        if reason:
            readings["reason"] = reason
        return readings
