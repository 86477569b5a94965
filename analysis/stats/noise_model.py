"""The one noise model behind every verdict on times: what `compare`, the report's changes, speed-ups, frontiers, ties and recommendations use.

The unit is the median of a process (replicate), on the log scale. The error of a cell's mean has two parts. What its replicates show:
their variance, moderated by that of the other cells (variance_shrinkage), over their number. And what a moment adds that replicates
measured back to back share: known from the noise floor of the host, else from the anchors, else not at all. Differences are tested by Welch's t
with Satterthwaite's degrees (1946). A cell with one replicate has no variance of its own: the noise floor's, or none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.stats import variance_shrinkage


@dataclass(frozen=True)
class Between:
    """What identical sweeps differ by beyond what their replicates show, as standard deviations of log ratios, and how well they are known."""

    sd: float  # of each cell by itself
    degrees: float = float("inf")
    shared_sd: float = 0.0  # of all cells of a sweep together
    shared_degrees: float = float("inf")
    process_sd: float = float("nan")  # between the processes of one cell, for cells that have one replicate
    process_degrees: float = float("inf")
    is_of_anchors: bool = (
        False  # how moments differ, which replicates in rounds show themselves; else what sweeps differ by beyond all that
    )

    def allowance(self, alpha: float) -> float:
        """The largest drift of all cells together (log ratio) that is expected with probability 1 - alpha."""
        return float(stats.t.ppf(1 - alpha / 2, self.shared_degrees)) * self.shared_sd


@dataclass(frozen=True)
class Times:
    """Log times of cells, one entry each: mean, its variance from replicates and from the moment, and the degrees of freedom of both."""

    mean: np.ndarray
    variance: np.ndarray  # of the mean, from replicates; NaN where it isn't known
    degrees: np.ndarray
    moment: np.ndarray  # variance that the moment adds
    moment_degrees: np.ndarray

    def take(self, chosen: np.ndarray) -> "Times":
        """The chosen entries, by position or mask."""
        return Times(*(getattr(self, name)[chosen] for name in ("mean", "variance", "degrees", "moment", "moment_degrees")))

    def bounds(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """(low, high) in seconds; NaN where the noise isn't known."""
        variance = self.variance + self.moment
        half = _quantile(level, _satterthwaite((self.variance, self.degrees), (self.moment, self.moment_degrees))) * np.sqrt(variance)
        return np.exp(self.mean - half), np.exp(self.mean + half)


@dataclass(frozen=True)
class Difference:
    """Log ratios of pairs of cells with their standard errors and degrees of freedom; NaN where the noise isn't known."""

    effect: np.ndarray
    error: np.ndarray
    degrees: np.ndarray

    def where(self, known: np.ndarray) -> "Difference":
        """The same with no error where it isn't known."""
        return Difference(self.effect, np.where(known, self.error, np.nan), self.degrees)

    def p(self, beyond: np.ndarray | float = 0.0) -> np.ndarray:
        """Two-sided p of no difference, or of none beyond an amount that something else may explain."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return 2 * stats.t.sf(np.maximum(np.abs(self.effect) - beyond, 0.0) / self.error, self.degrees)

    def p_within(self, margin: np.ndarray | float) -> np.ndarray:
        """p of a difference as large as the margin: small where it is shown to be smaller (two one-sided tests)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(stats.t.sf((margin - np.abs(self.effect)) / self.error, self.degrees))

    def half_width(self, level: float = 0.95) -> np.ndarray:
        """Half the width of the interval of the log ratio."""
        return _quantile(level, self.degrees) * self.error


def times(replicates: Sequence[Sequence[float]], between: Between | None = None, spread: np.ndarray | bool = False) -> Times:
    """Times of the cells of one sweep and host from the medians of their processes in seconds.

    spread: whether a cell's replicates saw different moments (rounds), so that their variance holds already what anchors tell of moments.
    """
    n = np.array([len(medians) for medians in replicates], float)
    degrees = np.maximum(n - 1, 0)
    mean, own = np.full(len(n), np.nan), np.zeros(len(n))
    for count in np.unique(n[n > 0]):  # cells with as many replicates are one array
        rows = np.flatnonzero(n == count)
        logs = np.log(np.array([replicates[row] for row in rows.tolist()], dtype=np.float64))
        mean[rows] = logs.mean(axis=1)
        if count > 1:
            own[rows] = logs.var(axis=1, ddof=1)
    variance, total = variance_shrinkage.moderate(own, degrees) if len(n) else (own, degrees)
    single = n == 1
    variance = np.where(single, between.process_sd**2 if between else np.nan, np.where(n > 1, variance, np.nan))
    total = np.where(single, between.process_degrees if between else np.nan, total)
    is_shown = np.logical_and(spread, between is None or between.is_of_anchors)
    moment = np.where(is_shown, 0.0, between.sd**2 / 2 if between else 0.0) * np.ones(len(n))
    with np.errstate(divide="ignore", invalid="ignore"):
        return Times(mean, variance / n, total, moment, np.full(len(n), between.degrees if between else np.inf))


def difference(before: Times, after: Times) -> Difference:
    """after - before, entry by entry. What moments add is one estimate, so both sides' parts share its degrees."""
    parts = (
        (before.variance, before.degrees),
        (after.variance, after.degrees),
        (before.moment + after.moment, np.minimum(before.moment_degrees, after.moment_degrees)),
    )
    error = np.sqrt(sum(variance for variance, _ in parts))
    return Difference(after.mean - before.mean, error, _satterthwaite(*parts))


def paired(log_ratios: Sequence[Sequence[float]]) -> Difference:
    """From the log ratios of a cell's pairs, each measured within one moment: what moments add cancels, so only the pairs' own scatter counts."""
    of_pairs = [np.asarray(ratios, float) for ratios in log_ratios]
    n = np.array([len(ratios) for ratios in of_pairs], float)
    mean = np.array([ratios.mean() if len(ratios) else np.nan for ratios in of_pairs])
    own = np.array([ratios.var(ddof=1) if len(ratios) > 1 else 0.0 for ratios in of_pairs])
    variance, degrees = variance_shrinkage.moderate(own, np.maximum(n - 1, 0)) if len(of_pairs) else (own, n)
    with np.errstate(divide="ignore", invalid="ignore"):
        return Difference(mean, np.sqrt(np.where(n > 1, variance, np.nan) / n), degrees)


def corrected(p: np.ndarray) -> np.ndarray:
    """p values adjusted after Benjamini and Hochberg; NaN stays NaN and doesn't count."""
    adjusted = np.full(len(p), np.nan)
    use = np.isfinite(p)
    if use.any():
        adjusted[use] = stats.false_discovery_control(p[use], method="bh")
    return adjusted


def _satterthwaite(*parts: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        found = sum(variance for variance, _ in parts) ** 2 / sum(variance**2 / degrees for variance, degrees in parts)
        return np.where(np.isinf(found), 1e9, found)


def _quantile(level: float, degrees: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.asarray(stats.t.ppf(0.5 + level / 2, degrees))
