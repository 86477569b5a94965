"""Whether a series of times drifts, and how many independent samples it is worth."""

import math
import statistics
from dataclasses import dataclass
from typing import List, Optional, Sequence

BINS = 40  # a long series is tested by the medians of so many stretches of it: cheaper, and less dependent on one another
LEAST = 8  # times below which a trend can't be told
Z95 = 1.96
LAGS = 200


@dataclass(frozen=True)
class Trend:
    """``change``: from the first to the last time by the median slope, relative. ``is_sure``: chance alone gives none (5 %, two-sided)."""

    change: float
    is_sure: bool


def trend(seconds: Sequence[float]) -> Optional[Trend]:
    """Mann-Kendall's test with Theil and Sen's slope, over medians of stretches; None where there are too few times to tell."""
    if len(seconds) < LEAST:
        return None
    values = binned(seconds)
    n, concordance = len(values), 0
    slopes = []
    for i in range(n - 1):
        for j in range(i + 1, n):
            step = values[j] - values[i]
            concordance += (step > 0) - (step < 0)
            slopes.append(step / (j - i))
    # neighbours that depend on one another scatter more than the test allows for (Yue and Wang 2004)
    deviation = math.sqrt(n * (n - 1) * (2 * n + 5) / 18.0 * n / effective(_without(values, statistics.median(slopes))))
    middle = statistics.median(values)
    change = statistics.median(slopes) * (n - 1) / middle if middle > 0 else 0.0
    return Trend(change, (abs(concordance) - 1) / deviation > Z95)


def _without(values: Sequence[float], slope: float) -> List[float]:
    return [value - slope * place for place, value in enumerate(values)]


def binned(seconds: Sequence[float]) -> List[float]:
    """At most BINS medians of consecutive stretches."""
    n = len(seconds)
    if n <= BINS:
        return list(seconds)
    return [statistics.median(seconds[n * at // BINS : n * (at + 1) // BINS]) for at in range(BINS)]


def effective(seconds: Sequence[float]) -> float:
    """How many independent samples know the median as well as these do.

    From the autocorrelation of being above the median, summed in pairs while they are positive (Geyer 1992).
    """
    n = len(seconds)
    if n < 4:
        return float(n)
    middle = statistics.median(seconds)
    signs = [(value > middle) - (value < middle) for value in seconds]
    own = sum(sign * sign for sign in signs)
    if not own:
        return float(n)
    total, before = 0.0, float("inf")
    for lag in range(0, min(n // 3, LAGS) - 1, 2):
        pair = sum(_lagged(signs, at) for at in (lag, lag + 1)) / own
        if pair <= 0:
            break
        before = min(before, pair)
        total += before
    return n / max(1.0, 2 * total - 1)


def _lagged(signs: Sequence[int], lag: int) -> int:
    return sum(a * b for a, b in zip(signs, signs[lag:]))
