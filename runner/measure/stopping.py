"""Warm-up, sampling and their stopping rules, with the clock passed in.

Rules (each verdict is recorded): warm-up ends when two successive half-windows agree; sampling ends when the
95 % interval of the median is narrow, when the noise has levelled off, or when the time budget is spent.
"""

import math
import statistics
from dataclasses import dataclass
from typing import Tuple

AGREE = 0.02  # medians of the two half-windows of the warm-up, relative
LEVEL_CHECKS = 5  # checks in a row whose noise must agree ...
LEVEL_SPREAD = 0.05  # ... within this, relative, before sampling ends on noise
LEVEL_SAMPLES = 100


@dataclass(frozen=True)
class Samples:
    """Seconds per call, in order, and why the series ended."""

    seconds: Tuple[float, ...]
    verdict: str


def latencies(infer, count, clock):
    """Seconds of each of ``count`` calls."""
    seconds = []
    for _ in range(count):
        start = clock()
        infer()
        seconds.append(clock() - start)
    return seconds


def warm_up(infer, protocol, clock):
    """Call until two successive half-windows agree (``steady``) or time is up (``capped``)."""
    seconds = []
    start = clock()
    while True:
        seconds += latencies(infer, 1, clock)
        spent = clock() - start
        if spent >= protocol.warmup_min_s and is_steady(seconds):
            return Samples(tuple(seconds), "steady")
        if spent >= protocol.warmup_max_s:
            return Samples(tuple(seconds), "capped")


def is_steady(seconds):
    """The last two half-windows have medians within 2 % and show no slope between them.

    A half-window is a quarter of the series, from 3 to 25 calls: early windows may be short, late ones must be long.
    """
    half = max(3, min(25, len(seconds) // 4))
    if len(seconds) < 2 * half:
        return False
    first, second = seconds[-2 * half : -half], seconds[-half:]
    reference = statistics.median(second)
    if abs(statistics.median(first) - reference) > AGREE * reference:
        return False
    return not has_slope(seconds[-2 * half :])


def has_slope(values):
    """Mann-Kendall's test finds a trend (two-sided, 5 %)."""
    n = len(values)
    concordance = 0
    for i in range(n - 1):
        for later in values[i + 1 :]:
            concordance += (later > values[i]) - (later < values[i])
    deviation = math.sqrt(n * (n - 1) * (2 * n + 5) / 18.0)
    return (abs(concordance) - 1) / deviation > 1.96


def sample(infer, protocol, clock):
    """Call until the median is known well enough; at least ``min_samples`` calls and ``min_time_s``."""
    seconds, noises = [], []
    start = clock()
    check_at = protocol.min_samples
    while True:
        seconds += latencies(infer, 1, clock)
        n, spent = len(seconds), clock() - start
        if n < protocol.min_samples:
            continue
        if spent >= protocol.max_time_s:
            return Samples(tuple(seconds), "budget")
        if n >= protocol.max_samples:
            return Samples(tuple(seconds), "count")
        if n < check_at or spent < protocol.min_time_s:
            continue
        check_at = n + max(1, n // 10)
        ordered = sorted(seconds)
        if interval_width(ordered) <= 2 * protocol.interval * ordered[n // 2]:
            return Samples(tuple(seconds), "interval")
        noises.append(noise(ordered))
        if n >= LEVEL_SAMPLES and has_levelled_off(noises):
            return Samples(tuple(seconds), "noise")


def has_levelled_off(noises):
    """The last checks agree on the noise: more samples tell nothing new about this process."""
    last = noises[-LEVEL_CHECKS:]
    return len(last) == LEVEL_CHECKS and max(last) - min(last) <= LEVEL_SPREAD * max(last)


def interval_width(ordered):
    """Width of the distribution-free 95 % interval of the median (order statistics), in seconds."""
    low = interval_rank(len(ordered))
    return ordered[len(ordered) - 1 - low] - ordered[low]


def interval_rank(n):
    """Index of the lower bound in n ordered samples; the upper bound lies as far from the end."""
    if n > 70:  # normal approximation of the binomial
        return max(0, int(n / 2.0 - 0.98 * math.sqrt(n)) - 1)
    tail, weight, rank = 0.0, 0.5**n, 0
    while rank < n // 2 and tail + weight <= 0.025:
        tail += weight
        weight = weight * (n - rank) / (rank + 1)
        rank += 1
    return max(0, rank - 1)


def sustain(infer, seconds, clock, window_s=10.0):
    """Run on end: the median of each window, as {"window_s", "medians_s", "cold_s", "sustained_s", "ratio"}.

    Cold is the first window, sustained the median of the last quarter; a ratio above 1 is what heat costs.
    """
    window_s = min(window_s, seconds / 8.0)
    medians, start = [], clock()
    while clock() - start < seconds:
        window, began = [], clock()
        while clock() - began < window_s:
            window += latencies(infer, 1, clock)
        medians.append(median(window))
    late = median(medians[-max(1, len(medians) // 4) :])
    return {"window_s": window_s, "medians_s": medians, "cold_s": medians[0], "sustained_s": late, "ratio": late / medians[0]}


def median(values):
    return statistics.median(values)


def noise(ordered):
    """Interquartile range over median of ordered samples."""
    n = len(ordered)
    return (ordered[(3 * n) // 4 if n > 1 else 0] - ordered[n // 4]) / ordered[n // 2] if ordered[n // 2] else 0.0


def window_batches(batch_s, in_flight, window_s=0.1):
    """Batches per throughput window: long enough that filling and draining the pipeline weigh little."""
    return max(4 * in_flight, int(math.ceil(window_s / max(batch_s, 1e-9))))


# 97.5 % quantiles of Student's t by degrees of freedom; beyond the last the normal's will do
T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093)


def between_processes(medians):
    """Half-width, relative, of the 95 % interval of the typical process: Student's t on log medians; None for fewer than two."""
    if len(medians) < 2 or min(medians) <= 0:
        return None
    logs = [math.log(value) for value in medians]
    quantile = T95[len(logs) - 2] if len(logs) - 2 < len(T95) else 1.96
    return math.exp(quantile * statistics.stdev(logs) / math.sqrt(len(logs))) - 1
