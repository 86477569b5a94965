"""Sensors by folder: each module here but ``base`` holds a class ``Sensor``; its name is the file's."""

import importlib
import pkgutil
from typing import Dict, Tuple

from runner.sensors.base import Sensor

NAMES = sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "base" and not m.name.startswith("_"))


def for_measuring_process(root: str = "/") -> Tuple[Dict[str, Sensor], Dict[str, str]]:
    """(sensors by name, reasons by name) for the measuring process."""
    return _of("inside", root)


def for_supervisor(root: str = "/") -> Tuple[Dict[str, Sensor], Dict[str, str]]:
    """(sensors by name, reasons by name) for the supervisor."""
    return _of("beside", root)


def _of(where: str, root: str) -> Tuple[Dict[str, Sensor], Dict[str, str]]:
    sensors, reasons = {}, {}
    for name in NAMES:
        sensor_class = importlib.import_module("%s.%s" % (__name__, name)).Sensor
        if sensor_class.where != where:
            continue
        sensor = sensor_class(root)
        try:
            reason = sensor.available()
        except Exception as error:  # a sensor must not stop a run
            reason = "%s: %s" % (type(error).__name__, error)
        if reason is None:
            sensors[name] = sensor
        else:
            reasons[name] = reason
    return sensors, reasons
