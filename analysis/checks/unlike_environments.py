"""One machine whose recorded facts changed between its cells."""

from collections.abc import Iterator

import pandas as pd

from analysis.checks import base
from analysis.frame import setups
from runner.machine.environment import COMPARABLE

TITLE = "unlike environments"
NESTED = ("frameworks", "thread_env", "governor", "turbo", "power_mode", "cuda")  # facts that are mappings, flattened in the frame


def find(cells: pd.DataFrame) -> Iterator[base.Finding]:
    columns = [name for name in cells if str(name).startswith("env_") and _comparable(str(name)[4:])]
    for machine, part in cells.pipe(setups.named, "machine"):
        for name in columns:
            values = part[name].dropna().astype(str)
            if values.nunique() > 1:
                said = " and ".join(f"{value} ({count} cells)" for value, count in values.value_counts().head(3).items())
                yield (
                    "warning",
                    part.loc[values.index[-1], "cell_id"],
                    f"{machine}: {name[4:]} was {said}; its cells are not from one set-up",
                )


def _comparable(fact: str) -> bool:
    return fact in COMPARABLE or fact.startswith(tuple(f"{name}_" for name in NESTED))
