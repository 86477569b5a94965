"""What checks share. A check gets comparable cells (`cells_of`) and yields a Finding per thing that can't be right.

Severities: an `error` can't be true, a `warning` asks for a second look, a `note` limits what may be concluded.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from analysis.frame import metrics, setups
from analysis.frame.frame import latest_cells, selected

SEVERITIES = ("error", "warning", "note")
Finding = tuple[str, Any, str]  # severity, cell_id, message


def cells_of(frame: pd.DataFrame) -> pd.DataFrame:
    """The latest attempt of every cell that is ok and not contended, with image_s, log_time and setup."""
    if frame.empty:
        return frame
    last = latest_cells(frame)
    return setups.observations(selected(last, last["status"].eq("ok") & ~last["contended"].astype(bool)))


def batched(cells: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """(label, cells) of every set-up with two batch sizes or more."""
    several = cells.groupby("setup")["batch_size"].transform("nunique") > 1
    yield from setups.named(cells[several])


def curves(part: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(seconds per image, cell_id) of one set-up, networks x batch sizes."""
    wide = part.pivot_table(index="model", columns="batch_size", values="image_s", aggfunc="median").sort_index(axis=1)
    ids = part.drop_duplicates(["model", "batch_size"]).pivot(index="model", columns="batch_size", values="cell_id")
    return wide, ids.reindex(index=wide.index, columns=wide.columns)


def times(seconds: Any) -> str:
    """Seconds as milliseconds for a message."""
    return f"{metrics.MILLI * seconds:.3g} ms"


def other_size(cells: pd.DataFrame) -> pd.Series:
    """True where the complexity is known to be of another input size than the one timed."""
    size = cells["complexity_px"]
    return size.notna() & cells["input_px"].notna() & size.ne(cells["input_px"])
