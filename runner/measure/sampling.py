"""Samples the sensors beside the measuring process, each at its own pace, for one measurement after the other."""

import time
from typing import Any, Callable, Dict, List, Optional

from runner import sensors


class Sampler:
    """All sensors beside. The supervisor calls ``sample()`` every ``period_s`` while it waits for the measuring process.

    start() before the load, begin() when the samples begin, read() when they have ended. ``reasons`` says why a sensor is absent,
    ``window_s`` the window that all sensors need for all their readings.
    """

    def __init__(self, root: str = "/", clock: Callable[[], float] = time.monotonic) -> None:
        self.sensors, self.reasons = sensors.for_supervisor(root)
        self.clock = clock
        self.period_s = min([sensor.every_s for sensor in self.sensors.values()] or [1.0])
        self.window_s = max([sensor.window_s for sensor in self.sensors.values()] or [0.0])
        self._due_s: Dict[str, float] = {}
        self._begin_s: Optional[float] = None

    def __bool__(self) -> bool:
        return bool(self.sensors)

    def start(self) -> None:
        """A measuring process is about to begin: forget the last one."""
        for sensor in self.sensors.values():
            sensor.start()
        self._begin_s = None
        self._sample_all()

    def begin(self) -> None:
        """The window of the samples begins now."""
        self._begin_s = self.clock()

    def sample(self) -> None:
        """Take the samples that are due."""
        for name, sensor in self.sensors.items():
            now_s = self.clock()
            if now_s >= self._due_s[name]:
                self._due_s[name] = now_s + 0.9 * sensor.every_s  # a caller that comes a little early isn't sent away for a whole period
                sensor.sample(now_s)

    def read(self) -> Dict[str, Any]:
        """{sensor: readings} of the window from begin() until now."""
        end_s = self.clock()
        self._sample_all()
        return {name: sensor.read(self._begin_s, end_s) for name, sensor in self.sensors.items()}

    def rest(self, seconds: float, sleep: Callable[[float], None] = time.sleep) -> Dict[str, Any]:
        """Watch the machine at rest: what "above idle" means from now on. Returns the readings of that window."""
        self.start()
        self._begin_s = began_s = self.clock()
        while self.sensors and self.clock() - began_s < seconds:
            sleep(self.period_s)
            self.sample()
        end_s = self.clock()
        readings = self.read()
        for sensor in self.sensors.values():
            sensor.rest(began_s, end_s)
        return readings

    def close(self) -> None:
        for sensor in self.sensors.values():
            sensor.close()

    def _sample_all(self) -> None:
        self._due_s = dict.fromkeys(self.sensors, float("-inf"))
        self.sample()


def throttled(readings: Dict[str, Any]) -> List[str]:
    """What slowed the device down according to all sensors: ["nvml: power cap in 12 % of samples", ...]."""
    return ["%s: %s" % (name, what) for name, values in sorted(readings.items()) for what in (values or {}).get("throttled") or ()]


def shared(readings: Dict[str, Any], limit: float) -> bool:
    """Whether other processes used more than ``limit`` of a device, according to the sensor of that device."""
    return any(((values or {}).get("others_share") or 0.0) > limit for values in readings.values())
