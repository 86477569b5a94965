"""Networks whose outputs say nothing, so that parity and time do not either."""

from collections.abc import Iterator

import pandas as pd

from analysis.checks import base
from analysis.stats import suspects

TITLE = "degenerate network"


def find(cells: pd.DataFrame) -> Iterator[base.Finding]:
    images = cells["accuracy_images"].fillna(1000)
    labelled = cells["quality"].map(lambda labels: "degenerate" in labels)
    equal = cells["parity_max_rel"].eq(0) & cells["precision"].isin(["fp16", "bf16", "int8"]) & ~labelled
    guessing = cells["accuracy_source"].eq("measured") & cells["top1"].lt(2)
    for _, row in cells[labelled].iterrows():
        yield (
            "error",
            row["cell_id"],
            f"{row['model']} on {row['setup']}: its outputs do not depend on its input; parity and time mean nothing",
        )
    for _, row in cells[equal].iterrows():
        yield (
            "warning",
            row["cell_id"],
            f"{row['model']} on {row['setup']}: {row['precision']} outputs equal the fp32 reference to the last bit, so that "
            f"{row['precision']} was not used or the outputs are constant",
        )
    for at, row in cells[guessing].iterrows():
        if suspects.chance(row["top1"], images[at]):
            yield "error", row["cell_id"], f"{row['model']} on {row['setup']}: a measured Top-1 of {row['top1']:.2g} % is that of guessing"
