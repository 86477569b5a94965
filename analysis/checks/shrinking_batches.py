"""A larger batch cannot take less time than a smaller one; a quarter is left to noise and to a faster algorithm."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from analysis.checks import base

TITLE = "a larger batch takes less time"


def find(cells: pd.DataFrame) -> Iterator[base.Finding]:
    for label, part in base.batched(cells):
        wide, ids = base.curves(part)
        batch = wide.columns.to_numpy(float)
        whole = wide.to_numpy(float) * batch
        for row, column in zip(*np.nonzero(whole[:, 1:] < 0.75 * whole[:, :-1]), strict=True):
            yield (
                "error",
                ids.iloc[row, column + 1],
                f"{wide.index[row]} on {label}: a batch of {batch[column + 1]:.0f} takes "
                f"{base.times(whole[row, column + 1])}, one of {batch[column]:.0f} takes {base.times(whole[row, column])}",
            )
