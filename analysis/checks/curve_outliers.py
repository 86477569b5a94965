"""A cell far from what the other batch sizes of its network lead to expect, or two of them exchanged."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from analysis.checks import base
from analysis.stats import suspects

TITLE = "outlier in its batch curve"


def find(cells: pd.DataFrame) -> Iterator[base.Finding]:
    for label, part in base.batched(cells):
        wide, ids = base.curves(part)
        if wide.shape[1] < 4:
            continue
        residual = suspects.curve_residuals(wide.columns.to_numpy(float), wide.to_numpy(float))
        batches = wide.columns.to_numpy(float)
        told = set()
        for row in np.flatnonzero(np.nanmax(np.abs(residual), axis=1, initial=0.0, where=np.isfinite(residual)) > np.log(1.3)):
            two = suspects.exchanged_batches(batches, wide.iloc[row].to_numpy(float))
            if two:
                told.add(int(row))
                sizes = f"{batches[two[0]]:.0f} and {batches[two[1]]:.0f}"
                yield ("error", ids.iloc[row, two[1]], f"{wide.index[row]} on {label}: its times at batch {sizes} look exchanged")
        for column, batch in enumerate(wide.columns):
            gap = (
                residual[:, column] - np.nanmedian(residual[:, column])
                if np.isfinite(residual[:, column]).sum() >= 5
                else residual[:, column]
            )
            scale = suspects.spread(gap, 0.05)
            pairs = suspects.exchanged(np.log(wide[batch].to_numpy(float)), np.log(wide[batch].to_numpy(float)) - residual[:, column], 0.05)
            for i, j in pairs:
                yield (
                    "error",
                    ids.iloc[i, column],
                    f"{wide.index[i]} and {wide.index[j]} on {label}: their times at batch {batch:.0f} look exchanged",
                )
            for row in np.flatnonzero(np.abs(gap) > max(6 * scale, np.log(1.6))):
                if row not in told | {index for pair in pairs for index in pair}:
                    yield (
                        "warning",
                        ids.iloc[row, column],
                        f"{wide.index[row]} on {label}: {base.times(wide.iloc[row, column])} per image at batch {batch:.0f} "
                        f"is {np.exp(gap[row]):.2g} times what its other batch sizes lead to expect",
                    )
