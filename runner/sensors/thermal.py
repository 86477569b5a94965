"""Temperatures of the thermal zones, cooling devices that slow something down, and a Jetson's over-current events."""

from typing import Any, Dict, Optional

from runner.machine import sysfs, thermal
from runner.sensors import base

HARMLESS = ("fan", "intel_powerclamp", "tcc offset", "charger", "lcd", "backlight", "wifi", "iwl")  # cool without slowing the device down


class Sensor(base.Sensor):
    def available(self) -> Optional[str]:
        self.zones = thermal.zones(self.root)
        self.coolers = {
            path: sysfs.text(self.root, path + "/type") or "" for path in sysfs.find(self.root, "sys/class/thermal/cooling_device*")
        }
        self.coolers = {path: name for path, name in self.coolers.items() if not any(word in name.lower() for word in HARMLESS)}
        self.overcurrent = sysfs.find(self.root, "sys/class/hwmon/hwmon*/oc[0-9]*_event_cnt")
        self.start()
        return None if self.zones else "no thermal zone: a virtual machine, or its driver isn't loaded"

    def start(self) -> None:
        base.Sensor.start(self)
        self.active = base.Samples()

    def take(self, at_s: float) -> None:
        values = {name: thermal.celsius(self.root, path) for name, path in self.zones.items()}
        if all(value is None for value in values.values()):
            raise OSError("no thermal zone can be read")
        events = [sysfs.number(self.root, path) for path in self.overcurrent]
        self.samples.add(at_s, values)
        states: Dict[str, Optional[float]] = {
            "%s %s" % (path.rpartition("_device")[2], name): sysfs.number(self.root, path + "/cur_state")
            for path, name in self.coolers.items()
        }
        states[""] = base.total(events)
        self.active.add(at_s, states)

    def read(self, begin_s: Optional[float] = None, end_s: Optional[float] = None) -> Dict[str, Any]:
        columns = self.samples.within(begin_s, end_s)
        states = self.active.within(begin_s, end_s)
        events = states.pop("", [])
        throttled = ["cooling device %s at state %d" % (name, max(values)) for name, values in sorted(states.items()) if max(values) > 0]
        if events and events[-1] > events[0]:
            throttled.append("%d over-current events" % (events[-1] - events[0]))
        readings = {
            "temperatures_c": {name: base.summary(values) for name, values in sorted(columns.items())},
            "hottest_c": max((max(values) for values in columns.values()), default=None),
            "throttled": throttled if columns else None,
        }
        reason = self.samples.why_none(begin_s, end_s, bool(columns))
        if reason:
            readings["reason"] = reason
        return readings
