"""Power of a Jetson's rails from its INA3221 monitors, integrated over time.

L4T r32 has an IIO driver (``rail_name_N``, ``in_powerN_input`` in mW), r35 and later hwmon (``inN_label``, ``inN_input`` in mV,
``currN_input`` in mA). A label NC is not connected; hwmon's channel 7 is the sum of shunt voltages, no rail.
The board's total is a rail of its own where there is one, else the sum of rails that don't feed one another.
The module's monitors don't see the carrier board's peripherals.
"""

import os
import re
from typing import Any, Dict, List, Optional, Tuple

from runner.machine import sysfs
from runner.sensors import base
from runner.sensors._energy import Meter

TOTAL_RAILS = ("VDD_IN", "POM_5V_IN", "VIN")
FED_BY = {"VDDQ_VDD2_1V8AO": "VIN_SYS_5V0"}  # AGX Orin's memory rail hangs on its 5 V rail


class Sensor(base.Sensor):
    every_s = 0.1

    def available(self) -> Optional[str]:
        self.rails = find_rails(self.root)
        if not self.rails:
            return "no INA3221 power monitor on the I2C bus: not a Jetson, or a carrier board without one"
        self.total, self.method = total_rails(self.rails)
        unreadable = [name for name in self.total if power_w(self.root, self.rails[name]) is None]
        if unreadable:
            return "rail %s can't be read" % ", ".join(unreadable)
        self.meter = Meter(0.1, self.method)
        self.window_s = self.meter.window_s
        return None

    def start(self) -> None:
        self.meter.clear()
        base.Sensor.start(self)

    def take(self, at_s: float) -> None:
        values = {name: power_w(self.root, rail) for name, rail in self.rails.items()}
        missing = [name for name in self.total if values[name] is None]
        if missing:
            self.lost(at_s, "rail %s can no longer be read" % ", ".join(missing))
        else:
            self.meter.integrate(at_s, base.total([values[name] for name in self.total]) or 0.0)
        self.samples.add(at_s, values)

    def lost(self, at_s: float, reason: str) -> None:
        self.meter.lost(at_s, reason)

    def rest(self, begin_s: float, end_s: float) -> None:
        self.meter.rest(begin_s, end_s)

    def read(self, begin_s: Optional[float] = None, end_s: Optional[float] = None) -> Dict[str, Any]:
        readings = self.meter.read(begin_s, end_s)
        rails = self.samples.within(begin_s, end_s)
        readings["rails_w"] = {name: sum(rails[name]) / len(rails[name]) if rails.get(name) else None for name in self.rails}
        return readings


def find_rails(root: str = "/") -> Dict[str, Tuple[str, ...]]:
    """{full name: path of its files} of all connected rails; two monitors may use one name, then the address is added."""
    rails: Dict[str, Tuple[str, ...]] = {}
    for device in _devices(root):
        for label in sysfs.find(root, device + "/iio:device*/rail_name_*") + sysfs.find(root, device + "/hwmon/hwmon*/in*_label"):
            name = sysfs.text(root, label)
            channel = re.findall(r"(\d+)(?:_label)?$", label)[0]
            if not name or name == "NC" or label.endswith("in7_label") or "sum of shunt" in name:
                continue
            folder = os.path.dirname(label)
            files = ("in_power%s_input",) if "iio:device" in folder else ("in%s_input", "curr%s_input")
            unique = name if name not in rails else "%s@%s" % (name, os.path.basename(device))
            rails[unique] = tuple("%s/%s" % (folder, file % channel) for file in files)
    return rails


def total_rails(rails: Dict[str, Tuple[str, ...]]) -> Tuple[List[str], str]:
    """(names to add up, method): the whole board's input rail, or the sum of all that don't hang on another."""
    for name in TOTAL_RAILS:
        if name in rails:
            return [name], "INA3221 rail " + name
    names = [name for name in rails if FED_BY.get(name) not in rails]
    return names, "INA3221 sum of " + ", ".join(names)


def power_w(root: str, rail: Tuple[str, ...]) -> Optional[float]:
    """Watts of a rail from its file in mW, or from its files in mV and mA."""
    values = [value for value in (sysfs.number(root, path) for path in rail) if value is not None]
    if len(values) < len(rail):
        return None
    return values[0] * 1e-3 if len(values) == 1 else values[0] * values[1] * 1e-6


def _devices(root: str) -> List[str]:
    """Folders of the monitors, each once although two paths lead to it."""
    paths = [
        os.path.dirname(name) for name in sysfs.find(root, "sys/bus/i2c/devices/*/name") if "ina3221" in (sysfs.text(root, name) or "")
    ]
    paths += sysfs.find(root, "sys/bus/i2c/drivers/ina3221*/*-00*")
    return sorted({os.path.basename(path): path for path in reversed(paths)}.values())
