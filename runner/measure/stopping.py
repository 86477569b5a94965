"""Warm-up, sampling and their stopping rules, with the clock passed in.

Rules (each verdict is recorded): warm-up ends when two successive windows of time agree and show no trend; sampling ends when the
95 % interval of the median is narrow, when the noise has levelled off, or when the time budget is spent.
"""

import math
import statistics
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from runner.measure.trend import effective, trend
from runner.plan.protocol import Protocol

Clock = Callable[[], float]

AGREE = 0.02  # medians of two successive windows of the warm-up, relative
LEVEL = 0.01  # a trend over both windows that is no more than this ends the warm-up, too
WINDOW_S = 0.25  # of the warm-up; an eighth of its longest time where that is short
WINDOW_CALLS = 3  # at least, in each of the two windows
LEVEL_CHECKS = 5  # checks in a row whose noise must agree ...
LEVEL_SPREAD = 0.05  # ... within this, relative, before sampling ends on noise
LEVEL_SAMPLES = 100
LEAST_OF_INTERVAL = 6  # samples below which their range is no 95 % interval yet
STEADY, CAPPED, FEW = "steady", "capped", "few"


@dataclass(frozen=True)
class Samples:
    """Seconds per call, in order, and why the series ended."""

    seconds: Tuple[float, ...]
    verdict: str


def latencies(infer: Callable[[], object], count: int, clock: Clock) -> List[float]:
    """Seconds of each of ``count`` calls."""
    seconds = []
    for _ in range(count):
        start = clock()
        infer()
        seconds.append(clock() - start)
    return seconds


def warm_up(infer: Callable[[], object], protocol: Protocol, clock: Clock) -> Samples:
    """Call until two successive windows of time agree (STEADY) or time is up: CAPPED, or FEW where there were too few calls to judge."""
    window_s = min(WINDOW_S, protocol.warmup_max_s / 8)
    seconds: List[float] = []
    start = clock()
    look_at_s = max(protocol.warmup_min_s, 2 * window_s)
    while True:
        seconds += latencies(infer, 1, clock)
        spent = clock() - start
        if spent >= look_at_s:
            if is_settled(seconds, window_s):
                return Samples(tuple(seconds), STEADY)
            look_at_s = spent + window_s / 4
        if spent >= protocol.warmup_max_s:
            return Samples(tuple(seconds), CAPPED if windows(seconds, window_s) else FEW)


def windows(seconds: Sequence[float], window_s: float) -> Optional[Tuple[Sequence[float], Sequence[float]]]:
    """The last two windows of a series, each of at least ``window_s`` and WINDOW_CALLS calls; None where it is too short for two."""
    ends, end = [], len(seconds)
    for _ in range(2):
        begin, spent = end, 0.0
        while begin > 0 and (spent < window_s or end - begin < WINDOW_CALLS):
            begin -= 1
            spent += seconds[begin]
        if end - begin < WINDOW_CALLS or spent < window_s * (1 - 1e-9):
            return None
        ends.append((begin, end))
        end = begin
    (late, last), (early, middle) = ends
    return seconds[early:middle], seconds[late:last]


def is_settled(seconds: Sequence[float], window_s: float) -> bool:
    """The medians of the last two windows agree, and over both there is no trend that matters."""
    both = windows(seconds, window_s)
    if both is None:
        return False
    first, second = both
    reference = statistics.median(second)
    if abs(statistics.median(first) - reference) > AGREE * reference:
        return False
    found = trend(list(first) + list(second))
    return found is None or not found.is_sure or abs(found.change) <= LEVEL


def sample(infer: Callable[[], object], protocol: Protocol, clock: Clock, taken: Optional[Callable[[], Sequence[float]]] = None) -> Samples:
    """Call until the median is known well enough; at least ``min_samples`` samples and ``min_time_s``.

    A sample is the time of a call, or each of those that ``taken`` gives after a call.
    """
    seconds: List[float] = []
    noises: List[float] = []
    start = clock()
    check_at = protocol.min_samples
    while True:
        timed = latencies(infer, 1, clock)
        seconds += timed if taken is None else taken()
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
        if interval_width(ordered, effective(seconds)) <= 2 * protocol.interval * ordered[n // 2]:
            return Samples(tuple(seconds), "interval")
        noises.append(noise(ordered))
        if n >= LEVEL_SAMPLES and has_levelled_off(noises):
            return Samples(tuple(seconds), "noise")


def has_levelled_off(noises: Sequence[float]) -> bool:
    """The last checks agree on the noise: more samples say nothing new about this process."""
    last = noises[-LEVEL_CHECKS:]
    return len(last) == LEVEL_CHECKS and max(last) - min(last) <= LEVEL_SPREAD * max(last)


def interval_width(ordered: Sequence[float], worth: Optional[float] = None) -> float:
    """Width of the distribution-free 95 % interval of the median (order statistics), in seconds.

    ``worth``: how many independent samples these are worth; as many as there are, if not given.
    """
    n = len(ordered)
    count = max(1, int(n if worth is None else min(worth, n)))
    low = int(interval_rank(count) * n / count) if count >= LEAST_OF_INTERVAL else 0
    return ordered[n - 1 - low] - ordered[low]


def interval_rank(n: int) -> int:
    """Index of the lower bound in n ordered samples; the upper bound lies as far from the end."""
    if n > 70:  # normal approximation of the binomial
        return max(0, int(n / 2.0 - 0.98 * math.sqrt(n)) - 1)
    tail, weight, rank = 0.0, 0.5**n, 0
    while rank < n // 2 and tail + weight <= 0.025:
        tail += weight
        weight = weight * (n - rank) / (rank + 1)
        rank += 1
    return max(0, rank - 1)


def sustain(
    infer: Callable[[], Any], seconds: float, clock: Callable[[], float], window_s: float = 10.0, batches: int = 1
) -> Dict[str, Any]:
    """Run on end, each call being ``batches`` batches: the median seconds per batch of each window, as {"window_s", "medians_s", "cold_s", "sustained_s", "ratio"}.

    Cold is the first window, sustained the median of the last quarter; a ratio above 1 is what heat costs.
    """
    window_s = min(window_s, seconds / 8.0)
    medians, start = [], clock()
    while clock() - start < seconds:
        window, began = [], clock()
        while clock() - began < window_s:
            window += latencies(infer, 1, clock)
        medians.append(median(window) / batches)
    late = median(medians[-max(1, len(medians) // 4) :])
    return {"window_s": window_s, "medians_s": medians, "cold_s": medians[0], "sustained_s": late, "ratio": late / medians[0]}


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def noise(ordered: Sequence[float]) -> float:
    """Interquartile range over median of ordered samples."""
    n = len(ordered)
    return (ordered[(3 * n) // 4 if n > 1 else 0] - ordered[n // 4]) / ordered[n // 2] if ordered[n // 2] else 0.0


# 97.5 % quantiles of Student's t by degrees of freedom; beyond the last the normal's will do
T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093)


def between_processes(medians: Sequence[float]) -> Optional[float]:
    """Half-width, relative, of the 95 % interval of the typical process: Student's t on log medians; None for fewer than two."""
    if len(medians) < 2 or min(medians) <= 0:
        return None
    logs = [math.log(value) for value in medians]
    quantile = T95[len(logs) - 2] if len(logs) - 2 < len(T95) else 1.96
    return math.exp(quantile * statistics.stdev(logs) / math.sqrt(len(logs))) - 1
