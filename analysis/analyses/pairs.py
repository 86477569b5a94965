"""Which networks differ in time, once many comparisons are paid for; and how many the studies' uncorrected test would call different."""

import numpy as np
import pandas as pd

from analysis.analyses import anova as crossed
from analysis.frame import setups
from analysis.frame.cached import computed_once
from analysis.stats import pairs

TITLE = "Which networks differ: pairwise comparisons"
ALPHA = 0.05
FEW = 20  # levels; of many networks with a few times each, Games-Howell can tell none apart and takes a second to say so


@computed_once
def analyse(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """`pairs found different` by method, factor and set-up; `networks`: time relative to the fastest, and how many others it is tied with.

    Times are adjusted for batch size (and set-up), Tukey's HSD decides on ties. The full table of pairs is `analysis.stats.pairs.crossed`'s.
    """
    counts, networks = [], []
    for label, part, names in crossed.parts(frame):
        for factor in names:
            honest = pairs.crossed(part, "log_time", names, factor)
            plain = pairs.lsd(part, "log_time", factor)
            found = {
                "Tukey's HSD, crossed": honest["p"],
                "Holm, crossed": honest["p_holm"],
                "Fisher's LSD, one-way (as in the studies)": plain["p"],
                "Holm, one-way": plain["p_holm"],
            }
            if part[factor].nunique() <= FEW:
                found["Games-Howell, one-way"] = pairs.games_howell(part, "log_time", factor)["p"]
            counts += [
                {"setup": label, "factor": factor, "method": method, "pairs": len(p), "different": int((p < ALPHA).sum())}
                for method, p in found.items()
            ]
            if factor == "model":
                networks.append(_ties(honest).assign(setup=label))
    columns = ["setup", "model", "relative_time", "tied_with", "tied_names"]
    return {
        "pairs found different": pd.DataFrame(counts, columns=["setup", "factor", "method", "pairs", "different"]),
        "networks": pd.concat(networks, ignore_index=True)[columns] if networks else pd.DataFrame(columns=columns),
    }


def _ties(table: pd.DataFrame) -> pd.DataFrame:
    """Per network: time over the fastest's (ratio of adjusted geometric means), number and names of networks that it can't be told from."""
    both = pd.concat([table, table.rename(columns={"a": "b", "b": "a"}).assign(difference=-table["difference"])])
    effect = both.groupby("a")["difference"].sum() / (both["a"].nunique())
    tied = both[both["p"] >= ALPHA].groupby("a")["b"].agg(lambda names: list(names))
    names = [tied.get(model, []) for model in effect.index]
    ordered = pd.DataFrame(
        {
            "model": effect.index,
            "relative_time": np.exp(effect - effect.min()).to_numpy(),
            "tied_with": [len(n) for n in names],
            "tied_names": [", ".join(sorted(n)[:6]) + (", ..." if len(n) > 6 else "") for n in names],
        }
    )
    return ordered.sort_values("relative_time", ignore_index=True)


def explain(frame: pd.DataFrame) -> str:
    """How many pairs stand up to correction, against the studies' test."""
    table = analyse(frame)["pairs found different"]
    table = table[table["factor"] == "model"]
    if table.empty:
        return "No set-up has enough cells to compare networks."
    said = []
    for label, part in table.groupby("setup", sort=False):
        by = part.set_index("method")
        count = by["different"].to_dict()
        said.append(
            f"{label}: of {by['pairs'].iloc[0]:,} pairs of networks {count[TUKEY]:,} differ (Tukey's HSD with batch size in the model)"
            f"; one-way, Fisher's LSD calls {count[LSD]:,} different and Holm keeps {count['Holm, one-way']:,}"
        )
    return setups.one_sentence(said[::-1])  # all set-ups together first


TUKEY, LSD = "Tukey's HSD, crossed", "Fisher's LSD, one-way (as in the studies)"
