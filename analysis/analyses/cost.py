"""What 1,000 images cost: energy where it was measured, money where a price was given."""

import numpy as np
import pandas as pd

from analysis.frame import metrics, setups
from analysis.stats import cost

TITLE = "Cost of 1,000 images"
COLUMNS = ["setup", "label", "batch_size", "seconds", "energy_j", "energy_kwh", "energy_cost", "machine_cost", "total_cost"]


def analyse(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per network and set-up, at its cheapest batch size: by money where there is a price, else by energy.

    Prices are columns of the frame (analysis.stats.cost.priced). Rows with neither are left out.
    """
    cells = setups.observations(setups.usable(frame))
    table = cost.per_thousand(cells)
    cells = cells.drop(columns="energy_j").join(table)
    key = cells["total_cost"].fillna(cells["energy_j"])
    cells = cells.assign(key=key)[key.notna()].sort_values("key").drop_duplicates(["setup", "model", "input_px"])
    return cells.sort_values(["setup", "key"])[COLUMNS].dropna(axis=1, how="all").reset_index(drop=True)


def explain(frame: pd.DataFrame) -> str:
    """The cheapest network per set-up."""
    table = analyse(frame)
    if table.empty:
        return "No energy was measured and no price was given, so no cost is known."
    best = table.drop_duplicates("setup")
    price = best["total_cost"].fillna(np.inf) if "total_cost" in best else pd.Series(np.inf, best.index)
    best = best.assign(price=price).sort_values(["price", *(["energy_j"] if "energy_j" in best else [])])
    said = []
    for row in best.to_dict("records"):
        money = row.get("total_cost")
        said.append(
            f"{row['setup']}: {row['label']} costs least, "
            + (
                f"{money:.3g} per 1,000 images"
                if money == money and money is not None
                else f"{metrics.significant(row['energy_j'])} J per 1,000 images"
            )
            + f" at batch {row['batch_size']:.0f}"
        )
    return setups.one_sentence(said)
