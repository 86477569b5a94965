"""What was measured, and the reason of every gap."""

import pandas as pd

from analysis.frame.cached import computed_once
from analysis.frame.frame import latest_cells

TITLE = "Coverage"
KEYS = ["platform", "device", "backend", "precision", "scenario"]


@computed_once
def analyse(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """`coverage`: cells by outcome; `gaps`: every cell that is skipped, failed or contended, with its reason."""
    cells = latest_cells(frame)
    outcome = cells["status"].where(~((cells["status"] == "ok") & cells["contended"]), "contended")
    counts = cells.assign(outcome=outcome).pivot_table(index=KEYS, columns="outcome", values="model", aggfunc="size", fill_value=0)
    counts = counts.reindex(columns=["ok", "contended", "failed", "skipped"], fill_value=0).rename_axis(columns=None)
    counts.insert(0, "networks", cells.groupby(KEYS)["model"].nunique())
    counts.insert(1, "cells", cells.groupby(KEYS).size())
    gaps = cells.assign(outcome=outcome)[outcome != "ok"]  # to an empty frame, assign would add a row for each cell
    shares = gaps["others_share"].map(
        lambda share: f"others took {100 * share:.0f} % of its CPUs" if pd.notna(share) else "others used its CPUs or GPU"
    )
    gaps["reason"] = gaps["reason"].where(gaps["outcome"] != "contended", shares).fillna("no reason recorded")
    columns = ["platform", "backend", "label", "precision", "batch_size", "scenario", "outcome", "phase", "reason", "attempt"]
    return {"coverage": counts.reset_index(), "gaps": gaps[columns].sort_values(columns[:6]).reset_index(drop=True)}


def explain(frame: pd.DataFrame) -> str:
    """How much of what was asked for is there."""
    cells = latest_cells(frame)
    good = int(((cells["status"] == "ok") & ~cells["contended"]).sum())
    if good == len(cells):
        return "The only cell can be ranked." if good == 1 else f"All {good:,} cells can be ranked."
    return f"{good:,} of {len(cells):,} {'cell' if len(cells) == 1 else 'cells'} can be ranked; the rest stand under Gaps, each with its reason."
