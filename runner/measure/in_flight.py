"""Throughput: batches in flight all the time, timed in windows of whole rounds that are not drained between.

A round is one batch of each of those in flight. A call runs a number of windows and reports when each batch ended; the rounds in which the
flow fills and drains belong to no window. A backend that can't report that is timed by the whole call, which is then one window.
"""

import math
import statistics
from typing import Any, List, Sequence, Tuple

from runner.measure import stopping
from runner.plan.protocol import Protocol

WINDOW_S = 0.1
MOST_WINDOWS = 8  # a call
LEAST_ROUNDS = 4  # of a call that is timed as a whole: filling and draining are part of it
SHARE = 0.25  # of the longest time for samples that a call may take


class Flow:
    """Calls of ``batches`` batches, which hold several windows of ``window`` batches each."""

    def __init__(self, backend: Any, batch_s: float, protocol: Protocol, clock: stopping.Clock, tells: bool = True) -> None:
        self.backend, self.clock = backend, clock
        self.round = backend.in_flight
        self.window = self.round * max(1, int(math.ceil(WINDOW_S / max(batch_s, 1e-9) / self.round)))
        count = int(SHARE * protocol.max_time_s / max(self.window * batch_s, 1e-9))
        self.batches = 2 * self.round + self.window * max(1, min(MOST_WINDOWS, count))
        if not tells:
            self.window = self.batches = max(self.window, LEAST_ROUNDS * self.round)
        self._taken: List[float] = []

    def run(self) -> None:
        """One call."""
        ended: List[float] = []
        started = self.clock()
        self.backend.infer_many(self.batches, lambda: ended.append(self.clock()))
        if len(ended) == self.batches:
            self._taken = of_windows(sorted(ended), self.round, self.window)
        else:
            self._taken = [(self.clock() - started) / self.batches]

    def take(self) -> Sequence[float]:
        """Seconds per batch in each window of the last call."""
        return self._taken


def of_windows(ended: Sequence[float], in_flight: int, window: int) -> List[float]:
    """Seconds per batch of each window, from when the batches ended; the first round fills the flow, in the last it drains."""
    last = len(ended) - in_flight - 1
    return [(ended[mark + window] - ended[mark]) / window for mark in range(in_flight - 1, last - window + 1, window)]


def warm_up(backend: Any, protocol: Protocol, clock: stopping.Clock) -> Tuple[stopping.Samples, Flow]:
    """Warm up with batches in flight: (seconds per batch of each round and the verdict, the flow to sample)."""
    ended: List[float] = []
    backend.infer_many(backend.in_flight, lambda: ended.append(clock()))
    done = stopping.warm_up(lambda: backend.infer_many(backend.in_flight), protocol, clock)
    seconds = tuple(round_s / backend.in_flight for round_s in done.seconds)
    batch_s = statistics.median(seconds[len(seconds) // 2 :])
    return stopping.Samples(seconds, done.verdict), Flow(backend, batch_s, protocol, clock, bool(ended))
