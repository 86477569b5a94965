"""One machine whose recorded facts changed between its cells."""

from collections.abc import Iterator

import pandas as pd

from analysis.checks import base
from analysis.frame import environments, setups

TITLE = "unlike environments"


def find(cells: pd.DataFrame) -> Iterator[base.Finding]:
    facts = environments.comparable(cells)
    for machine, part in cells.pipe(setups.named, "machine"):
        for name, column in facts.loc[part.index].items():
            values = column.dropna()
            if values.nunique() > 1:
                said = " and ".join(f"{value} ({count} cells)" for value, count in values.value_counts().head(3).items())
                yield (
                    "warning",
                    part.loc[values.index[-1], "cell_id"],
                    f"{machine}: {name} was {said}; its cells are not from one set-up",
                )
