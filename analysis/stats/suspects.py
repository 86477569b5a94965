"""Values that cannot be right, found by what the other values say: exchanged rows, steps against the trend, outliers in a curve.

Every function works on logarithms and scales its threshold by the robust spread of the data at hand, so that unlike hardware raises the bar
by itself.
"""

import numpy as np
from scipy import stats

from analysis.stats import batch_law

NORMAL = 1.4826  # median absolute deviation to standard deviation
OUTLIER, FITS = 4.0, 2.5  # robust standard deviations: out of place, and at home after the exchange


def spread(residual: np.ndarray, floor: float) -> float:
    """Robust standard deviation of residuals around their median, at least `floor`."""
    known = residual[np.isfinite(residual)]
    return max(NORMAL * float(np.median(np.abs(known - np.median(known)))), floor) if len(known) else floor


def exchanged(seen: np.ndarray, expected: np.ndarray, floor: float = 0.02, least: float = 0.1) -> list[tuple[int, int]]:
    """Pairs (i, j) whose values `seen` are both out of place, in opposite directions, and both at home when exchanged; logs, six values or more.

    Each index is in at most one pair: the one whose exchange helps most. `least`: smallest difference (log) worth a word.
    """
    known = np.isfinite(seen) & np.isfinite(expected)
    if known.sum() < 6:
        return []
    gap = seen - expected
    gap = gap - np.median(gap[known])
    scale = spread(gap[known], floor)
    cut = OUTLIER * max(1.0, np.sqrt(np.log(known.sum()) / np.log(40)))  # many values have wider tails and many more pairs
    out: list[int] = np.flatnonzero(known & (np.abs(gap) > cut * scale)).tolist()
    found: list[tuple[float, int, int]] = []
    for at, i in enumerate(out):
        for j in out[at + 1 :]:
            apart = seen[j] - seen[i]
            after = max(abs(gap[i] + apart), abs(gap[j] - apart))
            home = max(FITS * scale, 0.35 * min(abs(gap[i]), abs(gap[j])))
            if abs(apart) > least and after < home:  # which two gaps of one sign never meet: an exchange keeps their sum
                found.append((abs(gap[i]) + abs(gap[j]) - after, int(i), int(j)))
    pairs: list[tuple[int, int]] = []
    for _, i, j in sorted(found, reverse=True):
        if not any(i in pair or j in pair for pair in pairs):
            pairs.append((i, j))
    return pairs


def from_features(seen: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Robust log-linear expectation (Huber's weights) of `seen` (n) from `features` (n x p, logs); NaN where too few rows are complete."""
    known = np.isfinite(seen) & np.isfinite(features).all(axis=1)
    expected = np.full(len(seen), np.nan)
    x = np.column_stack([np.ones(int(known.sum())), features[known]])
    if len(x) < 3 * x.shape[1]:
        return expected
    y, weight = seen[known], np.ones(len(x))
    for _ in range(25):
        root = np.sqrt(weight)
        solution = np.linalg.lstsq(x * root[:, None], y * root, rcond=None)[0]
        residual = y - x @ solution
        size = np.abs(residual) / spread(residual, 1e-6)
        weight = np.minimum(1, 1.345 / np.maximum(size, 1e-12))
    expected[known] = x @ solution
    return expected


def curve_residuals(batch: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Log residual of every cell of curves x batch sizes from the law a/b + c fitted to the rest of its curve; NaN with fewer than three others."""
    residual = np.full(times.shape, np.nan)
    for column in range(times.shape[1]):
        rest = times.copy()
        rest[:, column] = np.nan
        a, c = batch_law.two_parameters(batch, rest)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.log(times[:, column]) - np.log(a / batch[column] + c)
        residual[:, column] = np.where(np.isfinite(rest).sum(axis=1) >= 3, value, np.nan)
    return residual


def rises(batch: np.ndarray, times: np.ndarray, least: float = 0.1, alone: float = 0.25, cut: float = 4.0) -> np.ndarray:
    """True where time per image rises from the batch size before (curves x sorted batch sizes), beyond noise and beyond the other curves there.

    A rise that a quarter of the networks share is the machine's (a cache that overflows). Noise is the spread around the batch law. With fewer
    than five curves only a rise of `alone` (log) counts.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.diff(np.log(times), axis=1)
    noise = spread(curve_residuals(batch, times), 0.02) / 1.2 if times.shape[1] >= 4 else 0.03  # leaving the cell out widens its residual
    flags = np.zeros(times.shape, bool)
    for column in range(step.shape[1]):
        known = step[:, column][np.isfinite(step[:, column])]
        margin = max(least, cut * noise * np.sqrt(2))
        flags[:, column + 1] = step[:, column] > (alone if len(known) < 5 else max(float(np.quantile(known, 0.75)), 0) + margin)
    return flags


def exchanged_batches(batch: np.ndarray, times: np.ndarray, least: float = 0.15, gain: float = 4.0) -> tuple[int, int] | None:
    """The two columns of one curve that, exchanged, make it follow the law a/b + c: the misfit (rms log) is over `least` and falls `gain`-fold; else None.

    Either value alone looks wrong in such a curve, and as a rule the right one is accused.
    """
    known = np.flatnonzero(np.isfinite(times))
    if len(known) < 5:
        return None

    def misfit(values: np.ndarray) -> float:
        a, c = batch_law.two_parameters(batch, values[None, :])
        return float(np.sqrt(np.nanmean(np.log(values / (a[0] / batch + c[0])) ** 2)))

    before = misfit(times)
    if not before > least:
        return None
    found = []
    for at, i in enumerate(known):
        for j in known[at + 1 :]:
            swapped = times.copy()
            swapped[[i, j]] = times[[j, i]]
            found.append((misfit(swapped), int(i), int(j)))
    best = min(found)
    return best[1:] if best[0] * gain < before else None


def out_of_order(
    larger: np.ndarray, seen: np.ndarray, tolerance: float = 0.07, share: float = 0.65, cut: float = 3.5
) -> list[tuple[int, int]]:
    """Pairs (i, j) where i is bigger than j in every respect, and still faster under most conditions, by more than such pairs scatter.

    larger: n x n, log ratio of work where i is bigger than j, NaN elsewhere. seen: log times, n x conditions.
    """
    rows, columns = np.nonzero(np.isfinite(larger))
    if not len(rows):
        return []
    gaps = seen[rows] - seen[columns]
    middle = np.array([np.median(gap[np.isfinite(gap)]) if np.isfinite(gap).any() else np.nan for gap in gaps])
    off = middle - larger[rows, columns]  # 0 where time follows work
    scale = spread(off, 0.05 if np.isfinite(off).sum() >= 5 else 0.1)
    level = min(float(np.nanmedian(off)), 0.0) if np.isfinite(off).any() else 0.0
    with np.errstate(invalid="ignore"):
        most = np.nanmean(np.where(np.isfinite(gaps), gaps < -tolerance, np.nan), axis=1) if gaps.shape[1] else np.zeros(len(rows))
        wrong = (middle < -tolerance) & (most >= share) & (off < level - cut * scale)
    return [(int(i), int(j)) for i, j in zip(rows[wrong], columns[wrong], strict=True)]


def chance(top1: float, images: float, classes: int = 1000) -> bool:
    """True where a Top-1 (percent) of so many images is no better than guessing: one-sided binomial test at 1 %."""
    return (
        bool(stats.binomtest(round(top1 / 100 * images), int(images), 1 / classes, alternative="greater").pvalue > 0.01)
        if images > 0
        else False
    )
