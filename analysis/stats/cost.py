"""What 1,000 images cost: energy where it was measured, money where a price was given."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

JOULES_PER_KWH = 3.6e6


def prices(given: Sequence[str], per_kwh: float | None, platforms: Collection[str]) -> dict[str, dict[str, float]]:
    """Prices as `per_thousand` takes them, from PLATFORM=PER_HOUR texts and the price of a kWh; raises FrameError with what would do."""
    from analysis.errors import FrameError

    everywhere = {} if per_kwh is None else {"per_kwh": per_kwh}
    found = {"*": dict(everywhere)} if everywhere else {}
    for text in given:
        name, _, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not 0 <= value < np.inf:
            raise FrameError(f"--price {text}: give PLATFORM=MONEY_PER_HOUR, for example jetson-jp6=0.02")
        if name not in platforms and name != "*":
            raise FrameError(f"--price {text}: no records of {name}; there are {', '.join(sorted(platforms))}, and * for all others")
        found[name] = {**everywhere, "per_hour": value}
    return found


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
