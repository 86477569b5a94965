"""What 1,000 images cost: energy where it was measured, money where a price was given."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

JOULES_PER_KWH = 3.6e6


def per_thousand(frame: pd.DataFrame, prices: Mapping[str, Mapping[str, float]] | None = None) -> pd.DataFrame:
    """Columns energy_j, energy_kwh, seconds, energy_cost, machine_cost, total_cost, all per 1,000 images, in the frame's index.

    prices: {platform: {"per_hour": rent of the machine, "per_kwh": electricity}} in any one currency; "*" is every other platform's.
    A price that is not given is NaN, never 0; the total is the sum of the parts that are known.
    """
    prices = prices or {}
    known = [prices.get(str(platform), prices.get("*", {})) for platform in frame["platform"]]
    per_hour = np.array([entry.get("per_hour", np.nan) for entry in known], float)
    per_kwh = np.array([entry.get("per_kwh", np.nan) for entry in known], float)
    rate = frame["throughput"].astype(float).where(frame["throughput"].gt(0), frame["batch_size"] / frame["latency_s"])
    table = pd.DataFrame({"energy_j": 1000 * frame["energy_j"].astype(float), "seconds": 1000 / rate}, index=frame.index)
    table["energy_kwh"] = table["energy_j"] / JOULES_PER_KWH
    table["energy_cost"] = table["energy_kwh"] * per_kwh
    table["machine_cost"] = table["seconds"] / 3600 * per_hour
    table["total_cost"] = table[["energy_cost", "machine_cost"]].sum(axis=1, min_count=1)
    return table
