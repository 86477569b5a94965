"""Samples the sensors beside the measuring process in a thread of the supervisor, off the measured CPUs."""

import os
import threading
import time

from runner import sensors


class Sampler:
    """All sensors beside. ``with Sampler() as sampler``: sampler.start(), measure, sampler.read(begin_s, end_s, images), and again.

    Without any sensor there is no thread. ``reasons`` says why which sensor is absent.
    """

    def __init__(self, root="/", measured_cpus=(), clock=time.monotonic):
        self.sensors, self.reasons = sensors.beside(root)
        self.measured_cpus = frozenset(measured_cpus)
        self.clock = clock
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = None
        self._due_s = {}

    def __enter__(self):
        if self.sensors:
            self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        if self._thread:
            self._thread.join()
        for sensor in self.sensors.values():
            sensor.close()

    def start(self):
        """Forget all samples and take the first ones: a measuring process is about to begin."""
        with self._lock:
            for sensor in self.sensors.values():
                sensor.start()
        self.sample(everything=True)

    def rest(self, seconds):
        """Watch the machine at rest for a while: what "above idle" means. Returns the readings of that window."""
        self.start()
        begin_s = self.clock()
        if self.sensors:
            self._stop.wait(seconds)
        self.sample(everything=True)
        end_s = self.clock()
        with self._lock:
            for sensor in self.sensors.values():
                sensor.rest(begin_s, end_s)
        return self.read(begin_s, end_s)

    def read(self, begin_s, end_s, images=None):
        """{sensor: readings} of a window in seconds of time.monotonic(); an absent sensor has only a reason."""
        self.sample(everything=True)
        readings = {name: {"reason": reason} for name, reason in self.reasons.items()}
        with self._lock:
            for name, sensor in self.sensors.items():
                try:
                    readings[name] = sensor.read(begin_s, end_s, images)
                except Exception as error:  # a sensor must not cost a measurement
                    readings[name] = {"reason": "%s: %s" % (type(error).__name__, error)}
        return readings

    def sample(self, everything=False):
        """Sample what is due."""
        with self._lock:
            for name, sensor in self.sensors.items():
                now_s = self.clock()
                if not everything and now_s < self._due_s.get(name, now_s):
                    continue
                self._due_s[name] = now_s + sensor.every_s
                try:
                    sensor.sample(now_s)
                except Exception as error:  # unplugged, permission withdrawn, driver reset
                    sensor.lost(now_s, "%s: %s" % (type(error).__name__, error))

    def _run(self):
        free = _own_cpus() - self.measured_cpus
        if free and self.measured_cpus:
            os.sched_setaffinity(0, free)  # 0 is this thread
        pause_s = min(sensor.every_s for sensor in self.sensors.values())
        while not self._stop.wait(pause_s):
            self.sample()


def throttled(readings):
    """What slowed the device down according to all sensors: ["nvml: thermal slowdown in 12 % of samples", ...]."""
    return ["%s: %s" % (name, what) for name, values in sorted(readings.items()) for what in (values or {}).get("throttled") or ()]


def _own_cpus():
    try:
        return set(os.sched_getaffinity(0))
    except AttributeError:
        return set()
