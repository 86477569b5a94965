"""Energy of x86 CPUs from RAPL's counters: all packages, and memory where it has a counter of its own.

A package holds its cores; ``dram`` lies beside it; ``psys`` is the whole board and holds both, so it is reported but not added.
Inside a container /sys/devices/virtual/powercap is masked: mounted under another path, /rapl, it can be read, by root only.
"""

import os
from typing import Any, Dict, Optional

from runner.machine import sysfs
from runner.sensors import base
from runner.sensors._energy import SAMPLES_PER_WINDOW, Meter

MOUNT = "docker run --user 0 -v /sys/devices/virtual/powercap/intel-rapl:/rapl:ro"
CHMOD = "sudo chmod -R a+r /sys/devices/virtual/powercap/intel-rapl"


class Sensor(base.Sensor):
    every_s = 0.1

    def available(self) -> Optional[str]:
        self.meters = {}
        zones = find_zones(self.root)
        if not zones:
            return "no RAPL counters: none on this CPU or in this virtual machine, or Docker hides them (%s)" % MOUNT
        for name, path in sorted(zones.items()):
            if sysfs.number(self.root, path + "/energy_uj") is None:
                return "%s/energy_uj can't be read: only root may (%s; without Docker: %s)" % (path, MOUNT, CHMOD)
            wrap_uj = sysfs.number(self.root, path + "/max_energy_range_uj")
            self.meters[name] = (path, Meter(0.01, "RAPL counter", wrap_uj * 1e-6 if wrap_uj else None))
        self.window_s = max((SAMPLES_PER_WINDOW + 2) * self.every_s, max(meter.window_s for _, meter in self.meters.values()))
        return None

    def start(self) -> None:
        for _, meter in self.meters.values():
            meter.clear()

    def take(self, at_s: float) -> None:
        for path, meter in self.meters.values():
            energy_uj = sysfs.number(self.root, path + "/energy_uj")
            if energy_uj is None:
                meter.lost(at_s, "%s/energy_uj can no longer be read" % path)
            else:
                meter.count(at_s, energy_uj * 1e-6)

    def rest(self, begin_s: float, end_s: float) -> None:
        for _, meter in self.meters.values():
            meter.rest(begin_s, end_s)

    def read(self, begin_s: Optional[float] = None, end_s: Optional[float] = None) -> Dict[str, Any]:
        return total({name: meter.read(begin_s, end_s) for name, (_, meter) in self.meters.items()})


def total(zones: Dict[str, Dict[str, Any]]) -> Dict[str, Any]:
    """Sum over the zones that don't hold one another, and each zone's own energy beside it. One unknown makes the sum unknown."""
    added = {name: readings for name, readings in zones.items() if name.startswith("package") and "/" not in name or name.endswith("dram")}
    keys = ("energy_j", "power_w", "above_idle_j", "idle_power_w")
    readings: Dict[str, Any] = {key: base.total([zone[key] for zone in added.values()]) for key in keys}
    readings["window_s"] = max(zone["window_s"] for zone in zones.values())
    readings["method"] = "RAPL counter: " + ", ".join(sorted(added))
    readings["zones_j"] = {name: zone["energy_j"] for name, zone in sorted(zones.items())}
    reasons = sorted({zone["reason"] for zone in added.values() if zone.get("reason")})
    if reasons:
        readings["reason"] = "; ".join(reasons)
    return readings


def find_zones(root: str = "/") -> Dict[str, str]:
    """{name: folder}: package-0, package-0/dram, psys ... from powercap or, inside a container, from /rapl."""
    for base_path in ("sys/class/powercap", "sys/devices/virtual/powercap/intel-rapl", "rapl"):
        zones: Dict[str, Any] = {}
        for path in sysfs.find(root, base_path + "/intel-rapl:*") + sysfs.find(root, base_path + "/intel-rapl:*/intel-rapl:*:*"):
            name = sysfs.text(root, path + "/name")
            number = os.path.basename(path)
            if not name or number.count(":") > 2:
                continue
            if number.count(":") == 2:  # a zone within a package
                parent = sysfs.text(root, base_path + "/" + number.rpartition(":")[0] + "/name")
                name = "%s/%s" % (parent, name)
            zones.setdefault(name, path)
        if zones:
            return zones
    return {}
