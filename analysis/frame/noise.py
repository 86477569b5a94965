"""The noise of every row's time, as columns of the frame, so that all that follows uses the same: analysis.stats.noise_model says how.

log_mean is the mean log time of a row's replicates, log_variance its variance from them with log_degrees, moment_variance what the moment
adds with moment_degrees.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.stats.noise_model import Between, Times, times
from runner.records.cell import Cell

COLUMNS = ("log_mean", "log_variance", "log_degrees", "moment_variance", "moment_degrees")
CELL: list[str] = list(Cell._fields)
STATED = 0.01  # what a value that was imported without replicates is rounded by, at least


def moments(*frames: pd.DataFrame) -> Between | None:
    """Noise between sweeps from the anchors of their runs, each one cell at several moments; None where fewer than two were measured.

    The variance of the anchors' means holds what the moment adds and what their processes do. The latter is not subtracted but for what
    anchors with fewer replicates than cells have too much: a difference that is cut off at 0 would call noise a change.
    """
    squares = degrees = 0.0
    processes, sizes, shares = [], [], []
    for frame in frames:
        use = frame[frame["role"].isin(["anchor", "cell"]) & (frame["status"] == "ok") & ~frame["contended"]]
        for _, rows in use[use["role"] == "anchor"].groupby(["host", *CELL], dropna=False):
            logs = [np.log(medians) for medians in rows["replicate_medians_s"] if len(medians)]
            if len(logs) > 1:
                means = np.array([log.mean() for log in logs])
                squares += float(np.square(means - means.mean()).sum())
                degrees += len(means) - 1
                shares.append(np.mean([1 / len(log) for log in logs]))
        sizes += [len(medians) for medians in use.loc[use["role"] == "cell", "replicate_medians_s"] if len(medians)]
        processes += [medians for medians in use["replicate_medians_s"] if len(medians) > 1]
    if not degrees:
        return None
    variance, share = squares / degrees, float(np.mean(shares))
    own = 1 / float(np.median(sizes)) if sizes else share
    if own < share:
        process = float(np.median([np.log(medians).var(ddof=1) for medians in processes])) if processes else 0.0
        variance = max(variance - process * (share - own), variance * own / share)
    return Between(float(np.sqrt(2 * variance)), degrees, is_of_anchors=True)


def add_noise(frame: pd.DataFrame, floors: Mapping[str, Between] | None = None) -> pd.DataFrame:
    """The frame with the noise of every row: from its host's floor where there is one, else from the anchors of its host."""
    columns = {name: np.full(len(frame), np.nan) for name in COLUMNS}
    usable = (frame["status"].eq("ok") & frame["replicate_medians_s"].map(len).gt(0)).to_numpy(bool)
    hosts = frame["host"].astype(str).to_numpy()
    for host in sorted(set(hosts[usable])):
        mine = np.flatnonzero(usable & (hosts == host))
        rows = frame.iloc[mine]
        floor = (floors or {}).get(host)
        found = times(rows["replicate_medians_s"].tolist(), floor or moments(rows), spread(rows))
        for name, values in zip(COLUMNS, (found.mean, found.variance, found.degrees, found.moment, found.moment_degrees), strict=True):
            columns[name][mine] = values
    return frame.assign(**columns)


def spread(rows: pd.DataFrame) -> np.ndarray:
    """Whether each row's replicates were measured in rounds of their own, and so saw different moments."""
    return rows["rounds"].gt(1).to_numpy(bool)


def times_of(rows: pd.DataFrame, suffix: str = "") -> Times:
    """The times of rows, from their noise columns."""
    return Times(*(rows[name + suffix].to_numpy(float) for name in COLUMNS))


def bounds(rows: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """low_s and high_s of each row's latency, NaN where its noise isn't known (one replicate, no noise floor).

    A value that was imported without replicates is taken as stated, within its noise or 1 %.
    """
    low, high = times_of(rows).bounds(level)
    latency = rows["latency_s"].to_numpy(float)
    stated = np.isnan(rows["log_mean"].to_numpy(float))
    half = np.maximum(np.log1p(rows["noise"].fillna(0).to_numpy(float)), STATED)
    low = np.where(stated, latency * np.exp(-half), np.minimum(low, latency))
    high = np.where(stated, latency * np.exp(half), np.maximum(high, latency))
    return pd.DataFrame({"low_s": low, "high_s": high}, index=rows.index)
