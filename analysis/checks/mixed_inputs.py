"""Rankings and ratios of cells whose inputs differ in size."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from analysis.checks import base
from analysis.frame import setups

TITLE = "mixed input sizes"


def _set(values: pd.Series) -> Any:
    return frozenset(values)


def find(cells: pd.DataFrame) -> Iterator[base.Finding]:
    keys = ["machine", "device", "backend", "precision", "scenario"]
    for key, part in cells[cells["input_px"].notna()].groupby(keys, dropna=False):
        sizes = part.groupby("model")["input_px"].agg(_set)
        usual = part.groupby("input_px")["model"].nunique().idxmax()
        odd = sizes[[usual not in values for values in sizes]]
        if len(odd):
            said = ", ".join(f"{model} ({', '.join(f'{px:.0f}' for px in sorted(values))} px)" for model, values in odd.head(5).items())
            said += f" and {len(odd) - 5} more" if len(odd) > 5 else ""
            first = part[part["model"].eq(odd.index[0])]["cell_id"].iloc[0]
            yield ("warning", first, f"{key[0]} {key[2]}: {said} were not timed at {usual:.0f} px as the others; no ranking may hold both")
    for machine, part in setups.named(cells[cells["input_px"].notna()], "machine"):
        sizes = part.groupby("backend")["input_px"].agg(_set)
        for at, (a, left) in enumerate(list(sizes.items())):
            for b, right in list(sizes.items())[at + 1 :]:
                if not left & right:
                    yield (
                        "warning",
                        part["cell_id"].iloc[0],
                        f"{machine}: {a} was timed at {sorted(left)[0]:.0f} px and {b} at {sorted(right)[0]:.0f} px; "
                        "their ratio is not a speed-up",
                    )
