"""Pareto frontiers of time against accuracy, aware of intervals, and how much two platforms' frontiers share."""

import numpy as np
import pandas as pd


def frontier(cost: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """True where no other point has cost at most as high and gain at least as high, one of them strictly; NaN is never on it."""
    cost, gain = np.asarray(cost, float), np.asarray(gain, float)
    better = (cost[None, :] <= cost[:, None]) & (gain[None, :] >= gain[:, None])
    strictly = (cost[None, :] < cost[:, None]) | (gain[None, :] > gain[:, None])
    return ~(better & strictly).any(axis=1) & np.isfinite(cost) & np.isfinite(gain)


def possible(cost_low: np.ndarray, cost_high: np.ndarray, gain_low: np.ndarray, gain_high: np.ndarray) -> np.ndarray:
    """True where no other point is certainly better in both: intervals apart in cost and in gain."""
    certain = (np.asarray(cost_high)[None, :] < np.asarray(cost_low)[:, None]) & (
        np.asarray(gain_low)[None, :] > np.asarray(gain_high)[:, None]
    )
    return ~certain.any(axis=1) & np.isfinite(cost_low) & np.isfinite(gain_low)


def jaccard(a: set, b: set) -> float:
    """Share of members that two sets have in common; NaN when both are empty."""
    return len(a & b) / len(a | b) if a | b else np.nan


def overlap(members: dict[str, set], items: dict[str, set]) -> pd.DataFrame:
    """Jaccard of every two frontiers, over the items that both measured: rows a, b, shared, either, jaccard, expected.

    `expected` is the mean Jaccard of two random choices of the same sizes: what chance alone would share.
    """
    rows = []
    names = list(members)
    for at, a in enumerate(names):
        for b in names[at + 1 :]:
            common = items[a] & items[b]
            left, right = members[a] & common, members[b] & common
            m = len(common)
            meet = len(left) * len(right) / m if m else np.nan
            rows.append(
                (
                    a,
                    b,
                    m,
                    len(left & right),
                    len(left | right),
                    jaccard(left, right),
                    meet / (len(left) + len(right) - meet) if m and left | right else np.nan,
                )
            )
    return pd.DataFrame(rows, columns=["a", "b", "models", "shared", "either", "jaccard", "expected"])
