"""Clusters of the shape of batch curves, and whether any number of them is stable."""

import numpy as np
import pandas as pd
from scipy.cluster import hierarchy

from analysis.analyses import batch_law
from analysis.analyses._tables import stacked
from analysis.frame import setups
from analysis.frame.cached import computed_once
from analysis.stats import batch_law as stats_batch_law
from analysis.stats import clusters, fit

TITLE = "Clusters of batch-size curves"


def curves(cells: pd.DataFrame) -> pd.DataFrame:
    """Networks x batch sizes (s per image) of one set-up; batch sizes that a quarter of the networks lack are left out, then rows with gaps."""
    table = cells.pivot_table(index="label", columns="batch_size", values="image_s", aggfunc="median")
    return table.loc[:, table.notna().mean() >= 0.75].dropna()


@computed_once
def found(frame: pd.DataFrame) -> dict[str, tuple[pd.DataFrame, pd.DataFrame, str]]:
    """{set-up: (members, choice of k, words)} of every set-up with three batch sizes and six networks."""
    cells = batch_law.curves(frame)
    tables = {label: curves(part) for label, part in setups.named(cells)}
    return {label: clusters.cluster(clusters.shapes(table)) for label, table in tables.items() if table.shape[1] >= 3 and len(table) >= 6}


@computed_once
def analyse(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """`choice`: silhouette and stability of each k per set-up; `members`: cluster of every network, where a k is stable."""
    results = found(frame)
    choice = [table.assign(setup=label) for label, (_, table, _) in results.items()]
    members = [table.reset_index().assign(setup=label) for label, (table, _, _) in results.items() if table["cluster"].nunique() > 1]
    cells = batch_law.curves(frame)
    studied = []
    for label, part in setups.named(cells):
        table = curves(part)
        if table.shape[1] >= 5 and len(table) >= 6:
            rows, aside = as_studied(table)
            studied.append(rows.assign(setup=label, outliers=", ".join(aside)))
    return {
        "raw times and the mean curve, as in the studies": stacked(
            studied, ["setup", "law", "formula", "error of the mean curve (%)", "networks", "set aside", "outliers"]
        ),
        "choice": stacked(choice, ["setup", "k", "silhouette", "null95", "stability", "smallest", "stable"]),
        "members": stacked(members, ["setup", "label", "cluster", "silhouette"]),
    }


def as_studied(curves: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Wang et al.'s way: Ward's clusters of the raw times set the outliers apart, and a saturating exponential is fitted to the mean curve of the rest.

    One row per law, the batch law beside it: formula, median error (%) over the networks that remain, and of the mean curve. And the outliers' names.
    """
    raw = curves.to_numpy(float)
    assigned = hierarchy.fcluster(hierarchy.linkage(raw, "ward"), 2, "maxclust")
    largest = np.bincount(assigned).argmax()
    rest = curves[assigned == largest]
    batch, mean = curves.columns.to_numpy(float), 1e3 * rest.mean().to_numpy(float)
    rows = []
    saturating = fit.fit(batch, mean, laws=[law for law in fit.LAWS if law.name == "saturating"])
    if saturating is not None:
        rows.append(("saturating exponential", saturating.equation, saturating.curve(batch)["y"]))
    a, c = stats_batch_law.two_parameters(batch, mean[None, :])
    rows.append(("a/b + c", f"y = {a[0]:.3g}/x + {c[0]:.3g}", a[0] / batch + c[0]))
    table = pd.DataFrame(
        {
            "law": name,
            "formula": formula,
            "networks": len(rest),
            "set aside": len(curves) - len(rest),
            "error of the mean curve (%)": 100 * float(np.median(np.abs(y / mean - 1))),
        }
        for name, formula, y in rows
    )
    return table, [str(name) for name in curves.index[assigned != largest]]


def explain(frame: pd.DataFrame) -> str:
    """The verdict per set-up."""
    results = found(frame)
    if not results:
        return "No set-up has six networks at three batch sizes."
    stable = {label: table["cluster"].nunique() for label, (table, _, _) in results.items() if table["cluster"].nunique() > 1}
    first, (_, _, words) = next(iter(results.items()))
    if len(results) == 1:
        return f"{first}: {words}"
    where = ", ".join(f"{count} on {label}" for label, count in list(stable.items())[:3])
    more = f" and {len(stable) - 3} more set-ups" if len(stable) > 3 else ""
    some = (
        f"A stable number of clusters is found in {len(stable)} of {len(results)} set-ups ({where}{more})."
        if stable
        else f"No number of clusters is stable in any of {len(results)} set-ups."
    )
    return f"{some} {first}: {words}"
