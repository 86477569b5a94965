"""How much the machine itself moved: one cell, the anchor, measured again at the start, the middle and the end of a run."""

import pandas as pd

from analysis.frame.cached import computed_once
from analysis.frame.columns import CELL
from analysis.frame.metrics import MILLI
from analysis.frame.words import out_of

TITLE = "Drift of the machine, by anchors"
COLUMNS = ["platform", "host", "run", "series", "label", "anchors", "first, ms", "last, ms", "first to last, %", "widest, %"]
MOVED = 5.0  # percent between the slowest and the fastest anchor of a run that is worth a word


def applies(frame: pd.DataFrame) -> str | None:
    """Why there is nothing to say."""
    return None if len(analyse(frame)) else "no run measured its anchor twice; runs of at least 8 cells do"


@computed_once
def analyse(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per run and its anchor cell, the one that moved most first; contended anchors are left out."""
    usable = frame[frame["role"].eq("anchor") & frame["status"].eq("ok") & ~frame["contended"] & frame["latency_s"].gt(0)]
    rows = []
    for (host, run, *_), group in usable.sort_values("started_at", kind="stable").groupby(["host", "run", *CELL], dropna=False, sort=False):
        if len(group) < 2:
            continue
        times = MILLI * group["latency_s"].to_numpy(float)
        first, last, one = times[0], times[-1], group.iloc[0]
        moved, widest = 100 * (last / first - 1), 100 * (times.max() / times.min() - 1)
        rows.append((one["platform"], host, run, one["series"], one["label"], len(times), first, last, moved, widest))
    return pd.DataFrame(rows, columns=COLUMNS).sort_values("widest, %", ascending=False, ignore_index=True)


def explain(frame: pd.DataFrame) -> str:
    """How many runs moved, and the one that moved most."""
    table = analyse(frame)
    most, moved = table.iloc[0], int(table["widest, %"].gt(MOVED).sum())
    how = (
        f"{most['widest, %']:.1f} % between its fastest and its slowest time, {most['first to last, %']:+.1f} % from the first to the last"
    )
    if len(table) == 1:
        said = f"The run's anchor moved by {how}."
    else:
        runs = f"in {out_of(moved, len(table), 'run')}"
        said = f"The anchor moved by more than {MOVED:g} % {runs}; it moved most in run {most['run']} on {most['host']}: {how}."
    return f"{said} Intervals and verdicts allow for it."
