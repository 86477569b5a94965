"""What to deploy per platform: the frontier of accuracy and latency, with networks that were not measured there predicted and marked."""

import pandas as pd

from analysis.frame import metrics
from analysis.frame.cached import computed_once
from analysis.frame.setups import cells
from analysis.predict import limits, recommend

TITLE = "Recommendation"


def applies(frame: pd.DataFrame) -> str | None:
    """None, or why there is nothing to recommend."""
    rows = cells(frame)
    if rows.empty or not rows["top1"].notna().any():
        return "no network with a known Top-1 was measured with one batch in flight"
    return None


@computed_once
def analyse(frame: pd.DataFrame) -> pd.DataFrame:
    """The frontier of every platform over its set-ups, at its smallest batch size: platform, network, set-up, Top-1, latency and interval, kind."""
    tables = []
    for platform, rows in cells(frame).groupby("platform"):
        # A limit that every network with a known Top-1 meets leaves out those without.
        batch = int(rows["batch_size"].min())
        own = recommend.advise(frame, str(platform), limits.Limits(top1=0.1), batch).recommended
        tables.append(pd.DataFrame({
            "platform": platform, "batch size": batch, "network": own["model"], "set-up": own["backend"] + " " + own["precision"],
            "Top-1 (%)": own["top1"], "latency (ms)": metrics.MILLI * own["latency_s"], "90 % low (ms)": metrics.MILLI * own["latency_s_low"],
            "90 % high (ms)": metrics.MILLI * own["latency_s_high"], "kind": own["kind"], "extrapolates": own["extrapolates"],
        }))  # fmt: skip
    return pd.concat([t for t in tables if len(t)] or tables[:1], ignore_index=True)


def explain(frame: pd.DataFrame) -> str:
    """How many of the frontier's networks were measured, how many predicted."""
    kinds = analyse(frame)["kind"].value_counts()
    measured, predicted = int(kinds.get("measured", 0)), int(kinds.get("predicted", 0))
    if not measured + predicted:
        return "No network with a known Top-1 can be placed."
    return (f"Of the networks that nothing beats in both Top-1 and latency, {measured} were measured there and {predicted} are predicted; "
            "`dyno recommend --platform NAME --max-latency-ms ... --min-top1 ...` applies your limits.")  # fmt: skip
