"""What a sensor is: a class named ``Sensor`` in ``runner/sensors/<name>.py``.

``where`` says who reads it. ``inside``: the measuring process itself; ``start()`` before the network is loaded,
``read()`` after the samples. ``beside``: the supervisor, through runner.measure.sampling: ``start()`` before the load,
``sample()`` at 2 to 10 Hz until after the samples, then ``read()`` for the window of the samples alone, in seconds of
time.monotonic(), which all processes of a machine share.

What can't be read is None with a reason, never 0. A sensor that vanishes in the middle of a run stops nothing: its
readings say so.
"""

import time
from typing import Dict, List


class Sensor:
    """One kind of reading. ``root`` is the root of /proc and /sys."""

    where = "beside"
    every_s = 0.5  # between two samples
    window_s = 0.0  # the shortest window that it can tell all of; available() sets what this machine needs

    def __init__(self, root="/"):
        self.root = root

    def available(self):
        """None where it works here, else why it doesn't, and what would mend it, in one line."""
        return None

    def start(self):
        """Forget all samples: a new measuring process begins."""

    def sample(self, at_s=None):
        """Take one sample; never raises."""
        at_s = time.monotonic() if at_s is None else at_s
        try:
            self.take(at_s)
        except Exception as error:  # unplugged, permission withdrawn, driver reset
            self.lost(at_s, "%s: %s" % (type(error).__name__, error))

    def take(self, at_s):
        """Take one sample; may raise."""

    def lost(self, at_s, reason):
        """A sample failed."""

    def rest(self, begin_s, end_s):
        """The machine was at rest in this window: what "above idle" means from now on."""

    def read(self, begin_s=None, end_s=None):
        """Readings of a window (of all samples without one), ready for JSON: names end in their unit.

        ``throttled`` lists what slowed the device down; None where the sensor can't tell.
        """

    def close(self):
        """Free what was opened."""


class Samples:
    """Values sampled over time, by name."""

    def __init__(self):
        self.rows = []
        self.losses = []

    def add(self, at_s, values):
        self.rows.append((at_s, values))

    def lost(self, at_s, reason):
        self.losses.append((at_s, reason))

    def within(self, begin_s=None, end_s=None):
        """{name: values} of the samples in a window; all of them without one."""
        columns: Dict[str, List[float]] = {}
        for at_s, values in self.rows:
            if (begin_s is None or at_s >= begin_s) and (end_s is None or at_s <= end_s):
                for name, value in values.items():
                    if value is not None:
                        columns.setdefault(name, []).append(value)
        return columns

    def loss(self, begin_s=None, end_s=None):
        """Why samples in a window are missing, None if none are."""
        for at_s, reason in self.losses:
            if (begin_s is None or at_s >= begin_s) and (end_s is None or at_s <= end_s):
                return reason
        return None


def summary(values):
    """{"n", "min", "median", "max"}; None without values."""
    ordered = sorted(values)
    if not ordered:
        return None
    return {"n": len(ordered), "min": ordered[0], "median": ordered[len(ordered) // 2], "max": ordered[-1]}
