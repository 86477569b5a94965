"""Multiply-adds or parameters that are not those of the graph that was timed."""

from collections.abc import Iterator

import pandas as pd

from analysis.checks import base
from analysis.frame import setups

TITLE = "complexity of another graph"


def find(cells: pd.DataFrame) -> Iterator[base.Finding]:
    wrong = cells[base.other_size(cells)]
    for label, part in setups.named(wrong):
        yield (
            "warning",
            part["cell_id"].iloc[0],
            f"{'1 network' if part['model'].nunique() == 1 else str(part['model'].nunique()) + ' networks'} on {label} timed at {part['input_px'].iloc[0]:.0f} px: the "
            f"multiply-adds are those at {float(part['complexity_px'].iloc[0]):.0f} px; time against complexity compares two graphs",
        )
    right = cells[~base.other_size(cells)]
    for name in ("gmacs", "params_m"):
        middle = right.groupby(["model", "input_px"])[name].transform("median")
        odd = right[(right[name] / middle - 1).abs().gt(0.02) & middle.gt(0)]
        for at, row in odd.drop_duplicates(["model", "input_px", "setup"]).iterrows():
            yield (
                "error",
                row["cell_id"],
                f"{row['model']} at {row['input_px']:.0f} px on {row['setup']}: {name} is {row[name]:.4g}, elsewhere "
                f"{middle[at]:.4g}; the graph that was timed is not the same network",
            )
