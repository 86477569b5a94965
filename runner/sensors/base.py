"""What a sensor is: a class named ``Sensor`` in ``runner/sensors/<name>.py``.

``where`` says who reads it. ``inside``: the measuring process itself; ``start()`` before the network is loaded,
``read()`` after the samples. ``beside``: the supervisor, off the measured cores; ``start()`` before the samples,
``sample()`` at 2 to 10 Hz meanwhile, ``read()`` after them; ``idle()`` once before anything is loaded gives the
readings that are above idle a floor.

What can't be read is None with a reason, never 0, and no error of a sensor leaves it: a sensor that vanishes in
the middle of a run says so in its readings.
"""


class Sensor:
    """One kind of reading. ``root`` is the root of /proc and /sys."""

    where = "beside"
    unit = ""

    def __init__(self, root="/"):
        self.root = root

    def available(self):
        """None where it works here, else why it doesn't, and what would mend it, in one line."""
        return None

    def start(self):
        """Begin a window."""

    def sample(self):
        """Take one sample within the window; only for sensors beside that have no counter of their own."""

    def read(self):
        """Readings since start(), ready for JSON: a dict whose names end in their unit."""
        raise NotImplementedError

    def close(self):
        """Free what was opened."""


def series(values):
    """{"n", "min", "median", "max"} of samples; None without any."""
    ordered = sorted(value for value in values if value is not None)
    if not ordered:
        return None
    return {"n": len(ordered), "min": ordered[0], "median": ordered[len(ordered) // 2], "max": ordered[-1]}
