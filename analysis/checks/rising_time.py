"""Time per image must not rise with the batch where that of other networks does not."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from analysis.checks import base
from analysis.stats import suspects

TITLE = "time per image rises with the batch"


def find(cells: pd.DataFrame) -> Iterator[base.Finding]:
    for label, part in base.batched(cells):
        wide, ids = base.curves(part)
        batches = wide.columns.to_numpy(float)
        for row, column in zip(*np.nonzero(suspects.rises(wide.columns.to_numpy(float), wide.to_numpy(float))), strict=True):
            if suspects.exchanged_batches(batches, wide.iloc[row].to_numpy(float)):
                continue  # `curve_outliers` names the two
            before, after = wide.iloc[row, column - 1], wide.iloc[row, column]
            yield (
                "warning",
                ids.iloc[row, column],
                f"{wide.index[row]} on {label}: {base.times(after)} per image at batch {wide.columns[column]:.0f} after "
                f"{base.times(before)} at batch {wide.columns[column - 1]:.0f}, where other networks do not rise so",
            )
