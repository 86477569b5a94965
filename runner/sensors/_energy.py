"""Energy of a window from samples of a counter or of power: gross, above idle, per image; or None and why."""

from bisect import bisect_left
from typing import Any, Dict, List, Optional, Tuple

from runner.sensors.base import Samples

SAMPLES_PER_WINDOW = 5  # the edges of a window are interpolated between two samples; with fewer that would be the result
UPDATES_PER_WINDOW = 10


class Meter:
    """Joules since it was made, sampled over time.

    ``update_s`` is how often the device renews its reading. ``modulus_j`` is where a counter starts again from 0.
    """

    def __init__(self, update_s: float, method: str, modulus_j: Optional[float] = None) -> None:
        self.update_s, self.method, self.modulus_j = update_s, method, modulus_j
        self.idle_power_w = None
        self.clear()

    @property
    def window_s(self) -> float:
        """The window that surely has an energy, a sampler's lateness included."""
        return 1.05 * UPDATES_PER_WINDOW * self.update_s + 0.05

    def clear(self) -> None:
        """Forget the samples, not what idle is."""
        self.samples = Samples()
        self._last: Optional[Tuple[float, float]] = None  # when, and the counter or the power then
        self._joules = 0.0

    def count(self, at_s: float, counter_j: float) -> None:
        """Add a reading of a counter."""
        if self._last is not None:
            step_j = counter_j - self._last[1]
            if step_j < 0 and self.modulus_j:
                step_j += self.modulus_j
            elif step_j < 0:
                self.lost(at_s, "the counter went backwards, and its range is unknown")
                step_j = 0.0
            self._joules += step_j
        self._add(at_s, counter_j)

    def integrate(self, at_s: float, power_w: float) -> None:
        """Add a reading of power; between two of them it is taken to change evenly."""
        if self._last is not None:
            self._joules += 0.5 * (power_w + self._last[1]) * (at_s - self._last[0])
        self._add(at_s, power_w)

    def lost(self, at_s: float, reason: str) -> None:
        """A reading failed: no window that holds this moment has an energy."""
        self.samples.lost(at_s, reason)

    def rest(self, begin_s: float, end_s: float) -> None:
        """Mean power of a window at rest."""
        self.idle_power_w = self.read(begin_s, end_s)["power_w"]

    def read(self, begin_s: Optional[float] = None, end_s: Optional[float] = None) -> Dict[str, Any]:
        """Readings of a window, of all samples without one; None with the reason when they can't be known."""
        times = [at_s for at_s, _ in self.samples.rows]
        begin_s = begin_s if begin_s is not None else times[0] if times else 0.0
        end_s = end_s if end_s is not None else times[-1] if times else 0.0
        window_s = end_s - begin_s
        readings = {
            "energy_j": None,
            "power_w": None,
            "above_idle_j": None,
            "idle_power_w": self.idle_power_w,
            "window_s": window_s,
            "method": self.method,
        }
        reason = self._unknown(times, begin_s, end_s)
        if reason:
            readings["reason"] = reason
            return readings
        energy_j = self._at(times, end_s) - self._at(times, begin_s)
        readings.update(energy_j=energy_j, power_w=energy_j / window_s)
        if self.idle_power_w is not None:
            readings["above_idle_j"] = energy_j - self.idle_power_w * window_s
        return readings

    def _add(self, at_s: float, value: float) -> None:
        self._last = (at_s, value)
        self.samples.add(at_s, {"joules": self._joules})

    def _unknown(self, times: List[float], begin_s: float, end_s: float) -> Optional[str]:
        if not times:
            return self.samples.loss() or "no sample"
        loss = self.samples.loss(begin_s, end_s)
        if loss:
            return "lost during the window: %s" % loss
        if times[0] > begin_s or times[-1] < end_s:
            return "the samples don't cover the window"
        window_s, needed_s = end_s - begin_s, UPDATES_PER_WINDOW * self.update_s
        if window_s < needed_s:
            return "a window of %.2f s is too short: the reading changes every %g s, so %g s are needed" % (
                window_s,
                self.update_s,
                needed_s,
            )
        inside = sum(begin_s <= at_s <= end_s for at_s in times)
        if inside < SAMPLES_PER_WINDOW:
            return "a window of %.2f s is too short: it holds %d samples, %d are needed" % (window_s, inside, SAMPLES_PER_WINDOW)
        return None

    def _at(self, times: List[float], at_s: float) -> float:
        """Joules at a moment between two samples."""
        right = bisect_left(times, at_s)
        joules = self.samples.rows[right][1]["joules"]
        if times[right] == at_s:
            return joules
        before = self.samples.rows[right - 1][1]["joules"]
        return before + (joules - before) * (at_s - times[right - 1]) / (times[right] - times[right - 1])


def per_image(readings: Dict[str, Dict[str, Any]], images: int) -> Dict[str, Dict[str, Any]]:
    """Add energy per image, gross and above idle, to the readings of each sensor that has energy; None stays None."""
    for values in readings.values():
        if "energy_j" in values:
            for name, energy_j in (("energy_j_per_image", values["energy_j"]), ("above_idle_j_per_image", values["above_idle_j"])):
                values[name] = None if energy_j is None or not images else energy_j / images
    return readings
