"""Variance between boards of a kind beside the variance between runs on one board: a nested random model on log time.

Cells have their own means; boards and, within boards, runs scatter around them. Components come from mean squares, and the interval of the
boards' component is Graybill and Wang's modified large-sample one (Burdick and Graybill 1992, Confidence Intervals on Variance
Components, section 3.3). Boards are slow or fast for all cells together, so that no number of cells makes more boards of few: the degrees
of freedom between boards are the boards less one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.stats.suspects import spread

OFF = 4.0  # robust standard deviations of the boards' effects
LEAST_OFF = 0.03  # of log time: less is not worth a word
FLOOR = 0.005


@dataclass(frozen=True)
class Component:
    """A standard deviation of log time with its interval."""

    sd: float
    low: float
    high: float


@dataclass(frozen=True)
class Nested:
    """Components between boards and between runs, and each board's effect on log time with the half-width of its interval."""

    boards: Component
    runs: Component
    n_boards: int
    n_cells: int
    effects: dict[str, float]
    half: dict[str, float]
    off: tuple[str, ...]


def fit(cells: Sequence[str], boards: Sequence[str], logs: np.ndarray, confidence: float = 0.95) -> Nested:
    """The nested model of one value per run; cells that one board alone has tell nothing and are left out.

    ValueError where fewer than two boards share a cell, or no cell has two runs on one board.
    """
    cell_of, board_of = (np.unique(np.asarray(names, str), return_inverse=True)[1] for names in (cells, boards))
    names, y = np.unique(np.asarray(boards, str)), np.asarray(logs, float)
    pairs, pair_of = np.unique(cell_of * len(names) + board_of, return_inverse=True)
    shared = np.bincount(pairs // len(names))[cell_of] > 1  # by several boards
    pairs, pair_of = np.unique(pairs[pair_of[shared]], return_inverse=True)
    y, board = y[shared], pairs % len(names)
    cell, used = np.unique(pairs // len(names), return_inverse=True)[1], len(np.unique(pairs // len(names)))
    count = np.bincount(pair_of)
    mean = np.bincount(pair_of, y) / count
    within, within_df = float(((y - mean[pair_of]) ** 2).sum()), len(y) - len(pairs)
    total = np.bincount(cell, count)[cell]
    between, between_df = float((count * (mean - np.bincount(cell, count * mean)[cell] / total) ** 2).sum()), len(pairs) - used
    n0_top = float((count * (1 - count / total)).sum())
    if not used:
        raise ValueError("no cell was measured on two boards of the kind")
    if not within_df:
        raise ValueError("no cell was measured twice on one board")
    ms_between, ms_within = between / between_df, within / within_df
    variance, low, high = _between(ms_between, ms_within, len(np.unique(board)) - 1, within_df, n0_top / between_df, confidence)
    tail = (1 - confidence) / 2
    one_board = Component(*np.sqrt([ms_within, within / stats.chi2.ppf(1 - tail, within_df), within / stats.chi2.ppf(tail, within_df)]))
    t = float(stats.t.ppf(1 - tail, within_df))
    gap = mean - np.array([np.median(mean[each]) for each in np.split(np.arange(len(pairs)), np.flatnonzero(np.diff(cell)) + 1)])[cell]
    there, weight, moved = np.unique(board), np.bincount(board, count), np.bincount(board, gap * count)
    effects = {str(names[place]): float(moved[place] / weight[place]) for place in there}
    half = {str(names[place]): t * float(np.sqrt(ms_within / weight[place])) for place in there}
    values = np.array(list(effects.values()))
    scale = spread(values, FLOOR)
    away = np.abs(values - np.median(values))
    off = tuple(board for board, far in zip(effects, away, strict=True) if len(values) > 2 and far > max(OFF * scale, LEAST_OFF))
    return Nested(Component(*np.sqrt([variance, low, high])), one_board, len(there), used, effects, half, off)


def _between(ms1: float, ms2: float, df1: int, df2: int, n0: float, confidence: float) -> tuple[float, float, float]:
    """(variance, low, high) of (ms1 - ms2) / n0, none below 0."""
    tail = (1 - confidence) / 2
    g1, h1 = 1 - df1 / stats.chi2.ppf(1 - tail, df1), df1 / stats.chi2.ppf(tail, df1) - 1
    g2, h2 = 1 - df2 / stats.chi2.ppf(1 - tail, df2), df2 / stats.chi2.ppf(tail, df2) - 1
    upper, lower = stats.f.ppf(1 - tail, df1, df2), stats.f.ppf(tail, df1, df2)
    g12 = ((upper - 1) ** 2 - g1**2 * upper**2 - h2**2) / upper
    h12 = ((1 - lower) ** 2 - h1**2 * lower**2 - g2**2) / lower
    below = g1**2 * ms1**2 + h2**2 * ms2**2 + g12 * ms1 * ms2
    above = h1**2 * ms1**2 + g2**2 * ms2**2 + h12 * ms1 * ms2
    difference = ms1 - ms2
    bounds = (difference, difference - np.sqrt(max(below, 0.0)), difference + np.sqrt(max(above, 0.0)))
    variance, low, high = (max(0.0, float(value) / n0) for value in bounds)
    return variance, low, high
