"""Analysis of variance of log time: one-way as the studies did it, crossed as the design asks for.

Zhao et al. 2023 (doi 10.1016/j.eswa.2023.120475) ran two one-way ANOVAs; `one_way` and `levene` reproduce them. Model and batch
size are crossed, so that each hides in the other's error there: `factorial` takes both at once (type II sums of squares).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
from scipy import stats


def _groups(frame: pd.DataFrame, value: str, factor: str) -> list[np.ndarray]:
    return [part.to_numpy(float) for _, part in frame.groupby(factor, sort=True)[value] if len(part)]


def levene(frame: pd.DataFrame, value: str, factor: str, center: str = "mean") -> dict[str, float]:
    """Levene's test that groups have one variance: statistic, df1, df2, p. `center="mean"` is SPSS's, "median" Brown-Forsythe's."""
    groups = _groups(frame, value, factor)
    k, n = len(groups), sum(map(len, groups))
    if k < 2 or n <= k:
        return {"statistic": np.nan, "df1": k - 1, "df2": n - k, "p": np.nan}
    statistic, p = stats.levene(*groups, center=center)
    return {"statistic": float(statistic), "df1": k - 1, "df2": n - k, "p": float(p)}


def one_way(frame: pd.DataFrame, value: str, factor: str) -> pd.DataFrame:
    """One-way table: rows between, within, total; columns ss, df, ms, f, p, eta2.

    Raises ValueError when there are not two groups, or no group has a second value.
    """
    groups = _groups(frame, value, factor)
    everything = np.concatenate(groups) if groups else np.array([])
    k, n = len(groups), len(everything)
    if k < 2 or n <= k:
        raise ValueError(f"{factor}: {k} group(s) of {n} value(s); a one-way analysis takes two groups and a group of two")
    between = sum(len(group) * (group.mean() - everything.mean()) ** 2 for group in groups)
    within = sum(((group - group.mean()) ** 2).sum() for group in groups)
    f = (between / (k - 1)) / (within / (n - k)) if within else np.inf
    table = pd.DataFrame({"ss": [between, within, between + within], "df": [k - 1, n - k, n - 1]}, index=["between", "within", "total"])
    table["ms"] = [between / (k - 1), within / (n - k), np.nan]
    table["f"] = [f, np.nan, np.nan]
    table["p"] = [stats.f.sf(f, k - 1, n - k), np.nan, np.nan]
    table["eta2"] = [between / (between + within), np.nan, np.nan]
    return table.rename_axis("source")


def welch(frame: pd.DataFrame, value: str, factor: str) -> dict[str, float]:
    """Welch's ANOVA, which needs no equal variances (Welch 1951): f, df1, df2, p; groups of one value are left out."""
    groups = [group for group in _groups(frame, value, factor) if len(group) > 1 and group.var(ddof=1) > 0]
    k = len(groups)
    if k < 2:
        return {"f": np.nan, "df1": np.nan, "df2": np.nan, "p": np.nan}
    n = np.array([len(group) for group in groups])
    means = np.array([group.mean() for group in groups])
    weights = n / np.array([group.var(ddof=1) for group in groups])
    mean = np.average(means, weights=weights)
    spread = ((1 - weights / weights.sum()) ** 2 / (n - 1)).sum()
    f = (weights * (means - mean) ** 2).sum() / (k - 1) / (1 + 2 * (k - 2) / (k * k - 1) * spread)
    df2 = (k * k - 1) / (3 * spread)
    return {"f": float(f), "df1": k - 1, "df2": float(df2), "p": float(stats.f.sf(f, k - 1, df2))}


def design(frame: pd.DataFrame, factors: Sequence[str]) -> tuple[np.ndarray, list[slice], list[list]]:
    """Sum-to-zero coded design matrix (n x p, intercept first), the columns of each factor, and each factor's levels."""
    blocks, slices, levels = [np.ones((len(frame), 1))], [], []
    at = 1
    for factor in factors:
        codes, names = pd.factorize(frame[factor], sort=True)
        width = len(names) - 1
        block = np.vstack([np.eye(width), -np.ones(width)])[codes]
        blocks.append(block)
        slices.append(slice(at, at + width))
        levels.append(list(names))
        at += width
    return np.hstack(blocks), slices, levels


def _rss(x: np.ndarray, y: np.ndarray) -> float:
    solution = np.linalg.lstsq(x, y, rcond=None)[0]
    return float(((y - x @ solution) ** 2).sum())


@dataclass(frozen=True)
class Factorial:
    """A crossed analysis of variance: rows are the factors, the interactions, residual and total; columns ss, df, ms, f, p, partial_eta2."""

    table: pd.DataFrame
    r2: float  # of the whole model


def factorial(frame: pd.DataFrame, value: str, factors: Sequence[str], interactions: Sequence[tuple[str, str]] = ()) -> Factorial:
    """Crossed analysis of variance, type II.

    Each term is tested against the
    model of all terms that do not hold it; the error is the full model's.
    """
    y = frame[value].to_numpy(float)
    x, slices, _ = design(frame, factors)
    main = {name: x[:, part] for name, part in zip(factors, slices, strict=True)}
    cross = {f"{a} x {b}": _products(main[a], main[b]) for a, b in interactions}
    intercept = x[:, :1]
    full = np.hstack([intercept, *main.values(), *cross.values()])
    error, rank = _rss(full, y), int(np.linalg.matrix_rank(full))
    df_error = len(y) - rank
    if df_error < 1:
        raise ValueError(f"{' x '.join(factors)}: {len(y)} value(s) leave no degree of freedom for the error")
    rows = {}
    for name in main:
        apart = [block for pair, block in zip(interactions, cross.values(), strict=True) if name not in pair]
        rest = np.hstack([intercept, *(block for other, block in main.items() if other != name), *apart])
        with_it = np.hstack([rest, main[name]])
        rows[name] = (_rss(rest, y) - _rss(with_it, y), int(np.linalg.matrix_rank(with_it) - np.linalg.matrix_rank(rest)))
    for name in cross:
        rest = np.hstack([intercept, *main.values(), *(block for other, block in cross.items() if other != name)])
        rows[name] = (_rss(rest, y) - error, int(rank - np.linalg.matrix_rank(rest)))
    table = pd.DataFrame(rows, index=["ss", "df"]).T
    total = float(((y - y.mean()) ** 2).sum())
    table.loc["residual"] = [error, df_error]
    table.loc["total"] = [total, len(y) - 1]
    table["ms"] = table["ss"] / table["df"].replace(0, np.nan)
    tested = ~table.index.isin(["residual", "total"])
    table["f"] = np.where(tested, table["ms"] / (error / df_error) if error > 0 else np.inf, np.nan)
    table["p"] = np.where(tested, stats.f.sf(table["f"], table["df"], df_error), np.nan)
    table["partial_eta2"] = np.where(tested, table["ss"] / (table["ss"] + error), np.nan)
    return Factorial(table.rename_axis("source"), 1 - error / total if total else np.nan)


def _products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a[:, :, None] * b[:, None, :]).reshape(len(a), -1)


def fitted(frame: pd.DataFrame, value: str, factors: Sequence[str]) -> np.ndarray:
    """Fitted values of the additive model, in the order of the frame's rows."""
    x, _, _ = design(frame, factors)
    return cast(np.ndarray, x @ np.linalg.lstsq(x, frame[value].to_numpy(float), rcond=None)[0])


def nonadditivity(frame: pd.DataFrame, value: str, factors: Sequence[str]) -> dict[str, float]:
    """Tukey's one-degree-of-freedom test for interaction (Tukey 1949): f, df1, df2, p.

    Small p: effects do not add up on this scale. It is what speaks for the logarithm of time.
    """
    y = frame[value].to_numpy(float)
    x, _, _ = design(frame, factors)
    fit = x @ np.linalg.lstsq(x, y, rcond=None)[0]
    squared = (fit - fit.mean()) ** 2
    probe = squared - x @ np.linalg.lstsq(x, squared, rcond=None)[0]
    residual = y - fit
    df2 = len(y) - int(np.linalg.matrix_rank(x)) - 1
    size = float((probe**2).sum())
    if df2 < 1 or size <= 1e-20 * float((squared**2).sum()):
        return {"f": np.nan, "df1": 1, "df2": df2, "p": np.nan}
    ss = float((probe @ residual) ** 2 / size)
    rest = float((residual**2).sum() - ss)
    f = ss / (rest / df2) if rest > 0 else np.inf
    return {"f": f, "df1": 1, "df2": df2, "p": float(stats.f.sf(f, 1, df2))}


def assumptions(frame: pd.DataFrame, value: str, factors: Sequence[str]) -> pd.DataFrame:
    """Checks of the additive model's residuals: rows check, statistic, p, holds, words (one sentence for the reader).

    Normality by Shapiro-Wilk, equal variance by Brown-Forsythe's test of residuals over the first factor, additivity by Tukey's test.
    """
    residual = frame[value].to_numpy(float) - fitted(frame, value, factors)
    rows: list[tuple[str, float, float, bool, str]] = []
    if 3 <= len(residual) <= 5000 and np.ptp(residual) > 0:
        statistic, p = stats.shapiro(residual)
        kurtosis = stats.kurtosis(residual)
        words = (
            "residuals look normal"
            if p >= 0.05
            else f"residuals are not normal (excess kurtosis {kurtosis:.1f}); with {len(residual)} values F is little affected, "
            "but the tails hold outliers worth a look"
        )
        rows.append(("normality (Shapiro-Wilk)", float(statistic), float(p), p >= 0.05, words))
    for factor in factors:
        test = levene(frame.assign(residual_=residual), "residual_", factor, center="median")
        holds = not test["p"] < 0.05
        words = (
            f"residuals vary alike over {factor}"
            if holds
            else f"residuals vary differently over {factor}; trust Welch and Games-Howell more than the pooled tests"
        )
        rows.append((f"equal variance over {factor} (Brown-Forsythe)", test["statistic"], test["p"], holds, words))
    if len(factors) > 1:
        tukey = nonadditivity(frame, value, factors)
        holds = not tukey["p"] < 0.05
        words = (
            "effects add up on this scale"
            if holds
            else "effects do not add up on this scale: a model's rank depends on the other factors, so read the interaction, not the means"
        )
        rows.append(("additivity (Tukey)", tukey["f"], tukey["p"], holds, words))
    return pd.DataFrame(rows, columns=["check", "statistic", "p", "holds", "words"])
