"""Energy of a window from samples of a counter or of power: gross, above idle, per image; or None and why."""

from runner.sensors.base import Samples

SAMPLES_PER_WINDOW = 10  # the edges of a window are interpolated between two samples; fewer would make that the result


class Meter:
    """Joules since it was made, sampled over time.

    ``update_s`` is how often the device renews its reading. ``modulus_j`` is where a counter starts again from 0.
    """

    def __init__(self, update_s, method, modulus_j=None):
        self.update_s, self.method, self.modulus_j = update_s, method, modulus_j
        self.idle_power_w = None
        self.clear()

    def clear(self):
        """Forget the samples, not what idle is."""
        self.samples = Samples()
        self._last = None
        self._joules = 0.0

    def count(self, at_s, counter_j):
        """Add a reading of a counter."""
        if self._last is not None:
            step_j = counter_j - self._last[1]
            if step_j < 0:
                if not self.modulus_j:
                    self.samples.lost(at_s, "the counter went back without a known range")
                    step_j = 0.0
                else:
                    step_j += self.modulus_j
            self._joules += step_j
        self._add(at_s, counter_j)

    def integrate(self, at_s, power_w):
        """Add a reading of power; between two of them it is taken to change evenly."""
        if self._last is not None:
            self._joules += 0.5 * (power_w + self._last[1]) * (at_s - self._last[0])
        self._add(at_s, power_w)

    def lost(self, at_s, reason):
        """A reading failed: no window that holds this moment has an energy."""
        self.samples.lost(at_s, reason)

    def rest(self, begin_s, end_s):
        """Mean power of a window at rest."""
        self.idle_power_w = self.read(begin_s, end_s)["power_w"]

    def read(self, begin_s, end_s, images=None):
        """Readings of a window; everything is None, with the reason, when it can't be known."""
        readings = {"energy_j": None, "power_w": None, "idle_power_w": self.idle_power_w, "above_idle_j": None, "method": self.method}
        if images:
            readings.update({"energy_j_per_image": None, "above_idle_j_per_image": None})
        reason = self._unknown(begin_s, end_s)
        if reason:
            readings["reason"] = reason
            return readings
        window_s = end_s - begin_s
        energy_j = self._at(end_s) - self._at(begin_s)
        readings.update({"energy_j": energy_j, "power_w": energy_j / window_s, "window_s": window_s})
        if self.idle_power_w is not None:
            readings["above_idle_j"] = energy_j - self.idle_power_w * window_s
        if images:
            readings["energy_j_per_image"] = energy_j / images
            if self.idle_power_w is not None:
                readings["above_idle_j_per_image"] = readings["above_idle_j"] / images
        return readings

    def _add(self, at_s, value):
        self._last = (at_s, value)
        self.samples.add(at_s, {"joules": self._joules})

    def _unknown(self, begin_s, end_s):
        times = [at_s for at_s, _ in self.samples.rows]
        loss = self.samples.loss(begin_s, end_s)
        if loss:
            return "lost during the window: %s" % loss
        if not times or times[0] > begin_s or times[-1] < end_s:
            return "the samples don't cover the window"
        inside = sum(begin_s <= at_s <= end_s for at_s in times)
        needed_s = SAMPLES_PER_WINDOW * self.update_s
        if end_s - begin_s < needed_s:
            return "a window of %.2f s is too short: the reading changes each %g s, so it takes %g s" % (end_s - begin_s, self.update_s, needed_s)
        if inside < SAMPLES_PER_WINDOW:
            return "a window of %.2f s is too short: it holds %d samples, %d are needed" % (end_s - begin_s, inside, SAMPLES_PER_WINDOW)
        return None

    def _at(self, at_s):
        """Joules at a moment between two samples."""
        rows = self.samples.rows
        for (left_s, left), (right_s, right) in zip(rows, rows[1:]):
            if left_s <= at_s <= right_s:
                share = (at_s - left_s) / (right_s - left_s) if right_s > left_s else 0.0
                return left["joules"] + share * (right["joules"] - left["joules"])
        return rows[-1][1]["joules"]
