"""Tables of several set-ups as one."""

from collections.abc import Sequence

import pandas as pd


def stacked(tables: Sequence[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """The tables below one another with these columns; an empty table of them where there is none."""
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)
