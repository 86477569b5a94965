"""What analyses share in making their tables."""

import pandas as pd


def stacked(tables: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """The columns of tables below one another; an empty table with the columns where there are none."""
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)
