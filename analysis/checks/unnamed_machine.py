"""Imported results that name no machine."""

from collections.abc import Iterator

import pandas as pd

from analysis.checks import base

TITLE = "machine unknown"


def find(cells: pd.DataFrame) -> Iterator[base.Finding]:
    for source, part in cells[cells["source"].ne("records")].groupby("source"):
        facts = [name for name in part if str(name).startswith("env_") and part[name].notna().any()]
        if not facts:
            names = ", ".join(sorted(part["platform"].astype(str).unique()))
            yield (
                "note",
                part["cell_id"].iloc[0],
                f"{source}: nothing names the machine, driver or version of {names}; compare orders of magnitude, not per cent",
            )
