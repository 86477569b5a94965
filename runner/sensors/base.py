"""What a sensor is: a class named ``Sensor`` in ``runner/sensors/<name>.py``.

``where`` says who reads it. ``inside``: the measuring process itself; ``start()`` before the network is loaded,
``read()`` after the samples. ``beside``: the supervisor, through runner.measure.sampling: ``start()`` before the load,
``sample()`` at 2 to 10 Hz until after the samples, then ``read()`` for the window of the samples alone, in seconds of
time.monotonic(), which all processes of a machine share.

What can't be read is None with a reason, never 0. A sensor that vanishes in the middle of a run stops nothing: its
readings say so.
"""

import time
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple


class Sensor:
    """One kind of reading. ``root`` is the root of /proc and /sys."""

    where = "beside"
    every_s = 0.5  # between two samples
    window_s = 0.0  # the shortest window over which all its readings are known; available() sets what this machine needs

    def __init__(self, root: str = "/") -> None:
        self.root = root
        self.samples = Samples()

    def available(self) -> Optional[str]:
        """None where it works here, else why it doesn't, and what would fix it, in one line."""
        return None

    def start(self) -> None:
        """Forget all samples: a new measuring process begins."""
        self.samples = Samples()

    def sample(self, at_s: Optional[float] = None) -> None:
        """Take one sample; never raises."""
        at_s = time.monotonic() if at_s is None else at_s
        try:
            self.take(at_s)
        except Exception as error:  # unplugged, permission withdrawn, driver reset
            self.lost(at_s, "%s: %s" % (type(error).__name__, error))

    def take(self, at_s: float) -> None:
        """Take one sample; may raise."""

    def lost(self, at_s: float, reason: str) -> None:
        """A sample failed."""
        self.samples.lost(at_s, reason)

    def rest(self, begin_s: float, end_s: float) -> None:
        """The machine was at rest in this window: what "above idle" means from now on."""

    def read(self, begin_s: Optional[float] = None, end_s: Optional[float] = None) -> Dict[str, Any]:
        """Readings of a window (of all samples without one), ready for JSON: names end in their unit.

        ``throttled`` lists what slowed the device down; None where the sensor can't tell.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Free what was opened."""


class Samples:
    """Values sampled over time, by name."""

    def __init__(self) -> None:
        self.rows: List[Tuple[float, Dict[str, Any]]] = []
        self.losses: List[Tuple[float, str]] = []

    def add(self, at_s: float, values: Dict[str, Any]) -> None:
        """One sample: values by name, None for what couldn't be read."""
        self.rows.append((at_s, values))

    def lost(self, at_s: float, reason: str) -> None:
        """A sample failed at this moment."""
        self.losses.append((at_s, reason))

    def within(self, begin_s: Optional[float] = None, end_s: Optional[float] = None) -> Dict[str, List[Any]]:
        """{name: values} of the samples in a window; all of them without one."""
        columns: Dict[str, List[float]] = {}
        for at_s, values in self.rows:
            if (begin_s is None or at_s >= begin_s) and (end_s is None or at_s <= end_s):
                for name, value in values.items():
                    if value is not None:
                        columns.setdefault(name, []).append(value)
        return columns

    def why_none(self, begin_s: Optional[float], end_s: Optional[float], is_known: bool) -> Optional[str]:
        """Why a window has no readings, or lacks some; None where nothing is missing. ``is_known``: it has any."""
        return self.loss(begin_s, end_s) or (None if is_known else "no sample in the window")

    def loss(self, begin_s: Optional[float] = None, end_s: Optional[float] = None) -> Optional[str]:
        """Why samples in a window are missing, None if none are."""
        for at_s, reason in self.losses:
            if (begin_s is None or at_s >= begin_s) and (end_s is None or at_s <= end_s):
                return reason
        return None


def total(values: Sequence[Optional[float]]) -> Optional[float]:
    """The sum; None where there is nothing to add, or one value is unknown."""
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def summary(values: Iterable[float]) -> Optional[Dict[str, Any]]:
    """{"n", "min", "median", "max"}; None without values."""
    ordered = sorted(values)
    if not ordered:
        return None
    return {"n": len(ordered), "min": ordered[0], "median": ordered[len(ordered) // 2], "max": ordered[-1]}
