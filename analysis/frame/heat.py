"""Times of boards, whose clocks fall as they heat up: the sustained time where there is one, and a word that says which it is."""

import numpy as np
import pandas as pd

from analysis.frame.cached import computed_once
from analysis.frame.frame import latest

SAME = ["platform", "device", "backend", "model", "precision", "batch_size", "input_px"]  # of a sustained run and the cell it belongs to
COLD = ("low_s", "high_s", "slowest_s", "latency_p90_s", "latency_p99_s")  # of the cold samples, where they are there


@computed_once
def runs(frame: pd.DataFrame) -> pd.Series:
    """Seconds per batch after minutes of work, by SAME: the latest good run of each cell."""
    found = latest(frame[frame["role"].eq("sustained") & frame["status"].eq("ok") & ~frame["contended"]])
    return found[found["sustained_s"].gt(0)].drop_duplicates(SAME, keep="last").set_index(SAME)["sustained_s"]


def with_heat(cells: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """The cells with `heat` (sustained, cold or empty) and, where it is sustained, that latency, without the intervals of the cold one."""
    late = runs(frame)
    board = cells.get("env_board", pd.Series(None, index=cells.index, dtype=object)).notna() | cells["platform"].isin(
        late.index.get_level_values("platform")
    )
    times = late.reindex(pd.MultiIndex.from_frame(cells[SAME])).to_numpy(float)
    found = np.isfinite(times)
    cells = cells.assign(heat=np.where(found, "sustained", np.where(board, "cold", "")))
    cells["latency_s"] = np.where(found, times, cells["latency_s"])
    cells.loc[found, [name for name in COLD if name in cells]] = np.nan
    return cells
