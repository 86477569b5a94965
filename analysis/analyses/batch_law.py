"""The batch-size law per network: fixed cost per batch, cost per image, and the knee between them."""

import pandas as pd

from analysis.frame import metrics, setups, words
from analysis.frame.cached import computed_once
from analysis.stats import batch_law

LEAST_SIZES = 3  # batch sizes of a curve: a law of two parameters goes through any two
TITLE = "Batch size against time: the law a/b + c and its knee"


@computed_once
def curves(frame: pd.DataFrame) -> pd.DataFrame:
    """Comparable cells with one batch in flight, of networks measured at two batch sizes or more in a set-up; with image_s, setup, label."""
    cells = setups.one_in_flight(setups.comparable(frame))
    return cells[cells.groupby(["setup", "label"])["batch_size"].transform("nunique") >= 2]


@computed_once
def fits(frame: pd.DataFrame) -> pd.DataFrame:
    """`analysis.stats.batch_law.fit` of every set-up and label, SI units."""
    rows = curves(frame)
    sizes = rows.groupby(["setup", "label"])["batch_size"].transform("nunique")
    return batch_law.fit(rows[sizes >= LEAST_SIZES], ["setup", "label"])


@computed_once
def analyse(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per curve: fixed_ms (a), per_image_ms (c), knee with its interval, median and leave-one-out error (%), and the law chosen."""
    found = fits(frame)
    columns = [
        "setup",
        "label",
        "fixed_ms",
        "per_image_ms",
        "knee",
        "knee_low",
        "knee_high",
        "error_percent",
        "loo_percent",
        "law",
        "law_loo_percent",
        "n",
    ]
    if found.empty:
        return pd.DataFrame(columns=columns)
    return found.assign(
        fixed_ms=metrics.MILLI * found["a_s"],
        per_image_ms=metrics.MILLI * found["c_s"],
        error_percent=100 * found["error"],
        loo_percent=100 * found["loo_error"],
        law_loo_percent=100 * found["law_loo_error"],
    )[columns]


def explain(frame: pd.DataFrame) -> str:
    """How well the law holds and where the knees lie."""
    found = fits(frame)
    if found.empty:
        return "No network was measured at three batch sizes."
    said = []
    for label, part in sorted(found.groupby("setup", sort=False), key=lambda item: -len(item[1])):
        knees = part["knee"].quantile([0.25, 0.5, 0.75]).tolist()
        best = part["law"].ne("a/b + c").sum()
        where = (
            f"half of the knees lie between batch {knees[0]:.2g} and {knees[2]:.2g} (median {knees[1]:.2g})"
            if len(part) > 3
            else f"the median knee is at batch {knees[1]:.2g}"
        )
        said.append(
            f"{label}: t(b) = a/b + c fits {words.plural(len(part), 'curve')} with a median error of {100 * part['error'].median():.1f} %, {where}"
            + (f", and {best} follow another law better" if best else "")
        )
    return setups.one_sentence(said)
