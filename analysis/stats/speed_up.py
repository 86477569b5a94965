"""Speed-up: ratios of latency between two set-ups on the cells that both measured."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.stats import intervals


def ratios(frame: pd.DataFrame, column: str, base: object, other: object, keys: Sequence[str]) -> pd.DataFrame:
    """One row per cell measured under both values of `column`: keys, base_s, other_s, speed_up (base over other; above 1 is faster)."""
    def side(value: object, name: str) -> pd.DataFrame:
        part = frame[frame[column] == value]
        return part.groupby(list(keys), dropna=False, as_index=False)["latency_s"].median().rename(columns={"latency_s": name})

    both = side(base, "base_s").merge(side(other, "other_s"), on=list(keys))
    return both.assign(speed_up=both["base_s"] / both["other_s"])


def summary(table: pd.DataFrame) -> dict[str, float]:
    """Geometric mean of the speed-ups with its 95 % interval over models, and how many are slower: mean, low, high, n, slower, least, most."""
    per_model = np.exp(np.log(table["speed_up"]).groupby(table["model"]).mean()) if len(table) else pd.Series(dtype=float)
    result = intervals.geometric_mean(per_model)
    return result | {"slower": int((per_model < 1).sum()), "least": float(per_model.min()) if len(per_model) else np.nan,
                     "most": float(per_model.max()) if len(per_model) else np.nan}
