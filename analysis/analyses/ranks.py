"""Ranks over conditions: Friedman's test and critical differences, of networks and of backends."""

import numpy as np
import pandas as pd

from analysis.frame import setups
from analysis.frame.cached import computed_once
from analysis.stats import ranks

TITLE = "Ranks over all conditions: Friedman and critical difference"


@computed_once
def tables(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """{what: table blocks x treatments of seconds per image}: `networks` over set-ups and batch sizes, `backends on M` over networks and batch sizes.

    What has most gaps is left out until none remains, because ranks need complete blocks.
    """
    cells = setups.comparable(frame)
    if cells.empty:
        return {}
    cells = cells.assign(block=cells["setup"] + ", batch " + cells["batch_size"].astype(int).astype(str))
    one = setups.one_in_flight(cells)
    found = {"networks": one.pivot_table(index="block", columns="label", values="image_s", aggfunc="median")}
    for name, part in setups.named(one, "machine"):
        if part["series"].nunique() > 1:
            found[f"backends on {name}"] = part.pivot_table(
                index=["model", "batch_size", "input_px"], columns="series", values="image_s", aggfunc="median"
            )
    whole = {what: complete(table) for what, table in found.items()}
    return {what: table for what, table in whole.items() if min(table.shape) > 1}


def complete(table: pd.DataFrame) -> pd.DataFrame:
    """Rows and columns without a gap: the row or column with the largest share of gaps is left out until there is none.

    So one network that has gaps costs itself, not the conditions that all others share, and one set-up that few networks saw costs itself.
    """
    gaps = table.isna().to_numpy()
    rows, columns = np.arange(gaps.shape[0]), np.arange(gaps.shape[1])
    while gaps.any():
        by_row, by_column = gaps.mean(axis=1), gaps.mean(axis=0)
        if by_row.max() >= by_column.max():
            keep = np.arange(len(rows)) != by_row.argmax()
            gaps, rows = gaps[keep], rows[keep]
        else:
            keep = np.arange(len(columns)) != by_column.argmax()
            gaps, columns = gaps[:, keep], columns[keep]
    return table.iloc[rows, columns]


@computed_once
def analyse(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """`friedman`: the test per question; then, per question, mean ranks with the critical difference and whether the best is certainly better."""
    tests, result = [], {}
    for what, table in tables(frame).items():
        blocks, treatments = table.shape
        test, difference = ranks.friedman(table), ranks.critical_difference(treatments, blocks)
        tests.append({"what": what, **test, "critical_difference": difference})
        order = ranks.mean_ranks(table).rename_axis("name").reset_index()
        result[what] = order.assign(certainly_behind_the_best=order["mean_rank"] > order["mean_rank"].min() + difference)
    columns = ["what", "chi2", "df", "p", "f", "p_f", "w", "blocks", "treatments", "critical_difference"]
    return {"friedman": pd.DataFrame(tests, columns=columns)} | result


def explain(frame: pd.DataFrame) -> str:
    """The best by mean rank and how many cannot be told from it."""
    found = analyse(frame)
    said = []
    for test in setups.lines(found["friedman"]):
        order = found[test.what]
        near = int((~order["certainly_behind_the_best"]).sum()) - 1
        agreement = f", agreement W = {test.w:.2f}" if test.w == test.w else ""
        said.append(
            f"{test.what}: {order['name'].iloc[0]} has the best mean rank ({order['mean_rank'].iloc[0]:.1f} of {test.treatments}) over "
            f"{test.blocks} conditions{agreement}; {'none lies' if not near else '1 more lies' if near == 1 else f'{near} more lie'} within the critical difference of {test.critical_difference:.1f}"
        )
    return ("; ".join(said) + ".") if said else "No two conditions share their networks, so there are no ranks to average."
