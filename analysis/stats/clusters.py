"""Clusters of the shape of curves (time per image against batch size), with k by silhouette and a verdict on its stability.

Wang et al. 2022 clustered raw times, which groups networks by size. Here each log curve is centred on its own mean first, so that what
is left is how it changes with the batch. Ward's linkage: deterministic, no starts to choose.
"""

import numpy as np
import pandas as pd
from scipy.cluster import hierarchy
from scipy.spatial import distance

STABLE = 0.75  # Hennig 2007: a cluster whose mean bootstrap Jaccard is below this is no stable pattern


def shapes(curves: pd.DataFrame) -> pd.DataFrame:
    """Row-centred log curves of a table models x batch sizes (s per image); rows with a gap are left out."""
    logs = curves.where(curves > 0).dropna().apply(np.log)
    return logs.sub(logs.mean(axis=1), axis=0)


def silhouettes(points: np.ndarray, assigned: np.ndarray) -> np.ndarray:
    """Silhouette of every point (Rousseeuw 1987), 0 for a point alone in its cluster."""
    gaps = distance.squareform(distance.pdist(points))
    names, codes = np.unique(assigned, return_inverse=True)
    member = np.eye(len(names))[codes]
    size = member.sum(axis=0)
    total = gaps @ member
    own = total[np.arange(len(points)), codes] / np.maximum(size[codes] - 1, 1)
    others = total / size
    others[np.arange(len(points)), codes] = np.inf
    nearest = others.min(axis=1)
    widest = np.maximum(own, nearest)
    scores = np.divide(nearest - own, widest, out=np.zeros(len(points)), where=widest > 0)
    return np.where(size[codes] > 1, scores, 0.0)


def _cut(points: np.ndarray, ks: range) -> dict[int, np.ndarray]:
    tree = hierarchy.linkage(points, "ward")
    return {k: hierarchy.fcluster(tree, k, "maxclust") for k in ks}


def _jaccards(reference: np.ndarray, drawn: np.ndarray, found: np.ndarray) -> np.ndarray:
    """For each reference cluster the best Jaccard with a cluster of the resample, among the points drawn; NaN where none was drawn."""
    unique, first = np.unique(drawn, return_index=True)
    a = reference[unique][:, None] == np.unique(reference)[None, :]
    b = found[first][:, None] == np.unique(found)[None, :]
    both = a.T.astype(float) @ b
    union = a.sum(0)[:, None] + b.sum(0)[None, :] - both
    return np.where(a.any(0), (both / np.maximum(union, 1)).max(axis=1), np.nan)


def choose(points: np.ndarray, largest: int = 6, resamples: int = 60, seed: int = 0) -> pd.DataFrame:
    """One row per k: silhouette, null95 (95th percentile of it in structureless data), stability (worst cluster's bootstrap Jaccard), smallest
    (its size), stable (bool).

    Structureless data is Gaussian with the same covariance: Ward's linkage always finds clusters, and this says how good they look there.
    """
    points = np.asarray(points, float)
    n = len(points)
    ks = range(2, min(largest, n - 2) + 1)
    columns = ["k", "silhouette", "null95", "stability", "smallest", "stable"]
    if n < 6 or not len(ks):
        return pd.DataFrame(columns=columns)
    rng = np.random.default_rng(seed)
    cuts = _cut(points, ks)
    score = {k: float(silhouettes(points, cuts[k]).mean()) for k in ks}
    null: dict[int, list[float]] = {k: [] for k in ks}
    covariance = np.atleast_2d(np.cov(points, rowvar=False))
    for _ in range(resamples):
        fake = rng.multivariate_normal(points.mean(0), covariance, n, method="eigh")
        for k, assigned in _cut(fake, ks).items():
            null[k].append(float(silhouettes(fake, assigned).mean()))
    agreement: dict[int, list[np.ndarray]] = {k: [] for k in ks}
    for _ in range(resamples):
        drawn = rng.integers(0, n, n)
        for k, assigned in _cut(points[drawn], ks).items():
            agreement[k].append(_jaccards(cuts[k], drawn, assigned))
    rows = []
    for k in ks:
        stability = float(np.nanmean(agreement[k], axis=0).min())
        limit, smallest = float(np.quantile(null[k], 0.95)), int(np.bincount(cuts[k])[1:].min())
        rows.append((k, score[k], limit, stability, smallest, stability >= STABLE and score[k] > limit and smallest > 1))
    return pd.DataFrame(rows, columns=columns)


def cluster(table: pd.DataFrame, largest: int = 6, resamples: int = 60, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """(members, choice, words): members has cluster (1 = largest) and silhouette per row of `table` (features); choice is `choose`'s table.

    k is the stable one with the best silhouette. When none is stable every row is in cluster 1 and the words say so.
    """
    points = table.to_numpy(float)
    choice = choose(points, largest, resamples, seed)
    good = choice[choice["stable"].astype(bool)] if len(choice) else choice
    if not len(good):
        members = pd.DataFrame({"cluster": 1, "silhouette": np.nan}, index=table.index)
        if not len(choice):
            return members, choice, f"{len(table)} curves are too few to cluster."
        best = choice.nlargest(1, "silhouette").iloc[0]
        why = (
            "one of its clusters comes back in too few resamples"
            if best["stability"] < STABLE
            else "one of its clusters is a single curve"
            if best["smallest"] < 2
            else "structureless data would look as well"
        )
        return (
            members,
            choice,
            (
                f"No number of clusters is stable: the best silhouette is {best['silhouette']:.2f} at k = {best['k']:.0f}, where {why} "
                f"(stability {best['stability']:.2f}, {STABLE} asked); the curves are one continuum."
            ),
        )
    best = good.nlargest(1, "silhouette").iloc[0]
    assigned = _cut(points, range(int(best["k"]), int(best["k"]) + 1))[int(best["k"])]
    order = np.argsort(-np.bincount(assigned)[1:], kind="stable")
    rank = np.empty(len(order), int)
    rank[order] = np.arange(1, len(order) + 1)
    members = pd.DataFrame({"cluster": rank[assigned - 1], "silhouette": silhouettes(points, assigned)}, index=table.index)
    return (
        members,
        choice,
        (
            f"{best['k']:.0f} clusters are stable: silhouette {best['silhouette']:.2f} (structureless data: at most {best['null95']:.2f}), "
            f"every cluster comes back with a Jaccard of {best['stability']:.2f} or more in {resamples} resamples."
        ),
    )
