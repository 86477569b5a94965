"""Where the time goes: the share of each group of operators, network by network, from what `dyno profile` recorded."""

from collections import defaultdict
from collections.abc import Sequence

import pandas as pd

from analysis.frame.operators import Profile
from analysis.frame.words import plural, spelt

TITLE = "Where the time goes"
NONE = "no network was watched operator by operator; dyno profile NETWORK does that"
NAMES = {"conv": "convolution", "matmul": "matrix product", "norm": "normalisation", "pool": "pooling", "elem": "element-wise", "copy": "copying", "other": "other"}  # fmt: skip


def table(profiles: Sequence[Profile], frame: pd.DataFrame) -> pd.DataFrame:
    """A row per profile, the longest first: milliseconds of its operators and where nobody watched, and the share of each group in percent."""
    machines = dict(zip(frame["environment"], frame["platform"], strict=True))  # hosts of a platform are told apart there
    rows = []
    for one in profiles:
        total = sum(one.groups.values())
        shares: defaultdict[str, float] = defaultdict(float)
        for group, seconds in one.groups.items():
            shares[NAMES.get(group, "other")] += 100 * seconds / total
        precision = "" if one.precision == "fp32" else f" {one.precision}"
        rows.append({"network": one.model.split(":")[-1], "device": machines.get(one.environment, one.platform), "with": spelt(one.backend) + precision,
                     "batch": one.batch_size, "operators, ms": 1e3 * total, "unwatched, ms": 1e3 * one.timed_s if one.timed_s else None}
                    | {f"{name}, %": shares.get(name, 0.0) for name in NAMES.values()})  # fmt: skip
    made = pd.DataFrame(rows)
    if made.empty:
        return made
    made = made.drop_duplicates(["network", "device", "with", "batch"], keep="last")  # one that was watched again replaces the first
    made = made.loc[:, [column for column in made if not column.endswith(", %") or made[column].gt(0).any()]]
    return made.sort_values("operators, ms", ascending=False, ignore_index=True)


def sentence(shown: pd.DataFrame) -> str:
    """Which group takes most, in how many of the networks."""
    shares = shown[[column for column in shown if column.endswith(", %")]]
    first = shares.idxmax(axis=1)
    most = str(first.mode().iloc[0])
    count, total = int(first.eq(most).sum()), len(shown)
    group, middle = most.removesuffix(", %"), shares.loc[first.eq(most), most].median()
    if total == 1:
        return f"In {shown['network'].iloc[0]} most of the time goes to {group} ({middle:.0f} %)."
    return f"{group.capitalize()} takes most in {count} of {plural(total, 'profile')}, {middle:.0f} % in the median of these."
