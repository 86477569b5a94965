"""What 1,000 images cost: energy where it was measured, money where a price was given."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

JOULES_PER_KWH = 3.6e6


def prices(given: Sequence[str], per_kwh: float | None, platforms: Collection[str]) -> dict[str, dict[str, float]]:
    """Prices as `priced` takes them, from PLATFORM=PER_HOUR texts and the price of a kWh; raises FrameError with what would do."""
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


def priced(frame: pd.DataFrame, prices: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """The frame with its columns price_per_hour and price_per_kwh filled; a price that is not given is NaN, never 0.

    prices: {platform: {"per_hour": rent of the machine, "per_kwh": electricity}} in any one currency; "*" is every other platform's.
    """
    known = [prices.get(str(platform), prices.get("*", {})) for platform in frame["platform"]]
    columns = {f"price_{name}": np.array([entry.get(name, np.nan) for entry in known], float) for name in ("per_hour", "per_kwh")}
    return frame.assign(**columns)


def per_thousand(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns energy_j, energy_kwh, seconds, energy_cost, machine_cost, total_cost, all per 1,000 images, in the frame's index.

    The total is the sum of the parts that are known.
    """
    rate = frame["throughput"].astype(float).where(frame["throughput"].gt(0), frame["batch_size"] / frame["latency_s"])
    table = pd.DataFrame({"energy_j": 1000 * frame["energy_j"].astype(float), "seconds": 1000 / rate}, index=frame.index)
    table["energy_kwh"] = table["energy_j"] / JOULES_PER_KWH
    table["energy_cost"] = table["energy_kwh"] * frame["price_per_kwh"]
    table["machine_cost"] = table["seconds"] / 3600 * frame["price_per_hour"]
    table["total_cost"] = table[["energy_cost", "machine_cost"]].sum(axis=1, min_count=1)
    return table
