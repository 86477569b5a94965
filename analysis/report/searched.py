"""What `dyno search` did: each measurement that it asked for, with what it expected and what came."""

import pandas as pd

from analysis.frame.metrics import MILLI
from analysis.frame.words import plural, spelt
from analysis.report import dots

TITLE = "The search’s path"
NONE = "no search was made here; dyno search finds the best network while measuring few"
COLUMNS = {"step": "step", "network": "network", "with": "with", "expected_ms": "expected, ms", "low_ms": "from", "high_ms": "to", "latency_ms": "measured, ms",
           "meets": "meets the limits", "best": "best so far", "best_top1": "its Top-1, %", "reason": "reason"}  # fmt: skip


def table(path: pd.DataFrame) -> pd.DataFrame:
    """The steps of every search in order, under readable headings."""
    if path.empty:
        return path
    names = path.assign(network=path["model"].map(_bare), best=path["best"].map(_bare) if "best" in path else None)
    names["with"] = [spelt(f"{backend}{'' if precision == 'fp32' else f' {precision}'}") for backend, precision in zip(path["backend"], path["precision"], strict=True)]  # fmt: skip
    many = path["search"].nunique() > 1
    shown = names.reindex(columns=list(COLUMNS)).rename(columns=COLUMNS).dropna(axis=1, how="all")
    if many:
        shown.insert(0, "search", path["search"])
    return shown


def _bare(name: object) -> object:
    return name.split(":")[-1] if isinstance(name, str) else None


def sentence(path: pd.DataFrame) -> str:
    """What the last search asked for and found."""
    last = path[path["search"].eq(path["search"].iloc[-1])]
    count = int(last["latency_ms"].notna().sum()) if "latency_ms" in last else 0
    found = last.dropna(subset=["best"]) if "best" in last else last.iloc[:0]
    if found.empty:
        return f"The last search measured {plural(count, 'network')} and has found none within its limits yet."
    best = found.iloc[-1]
    since = (
        int(last.loc[last["model"].map(_bare).eq(_bare(best["best"])), "step"].min())
        if last["model"].map(_bare).eq(_bare(best["best"])).any()
        else 0
    )
    reached = f", {best['best_top1']:.1f} % Top-1" if pd.notna(best.get("best_top1")) else ""
    return f"The last search measured {plural(count, 'network')}; the best within its limits is {_bare(best['best'])}{reached}{f', found at step {since}' if since else ''}."


def svg(path: pd.DataFrame) -> str:
    """Expected and measured time of each step of the last search."""
    last = path[path["search"].eq(path["search"].iloc[-1])]
    marks = []
    for row in last.to_dict("records"):
        line = f"{row['step']}. {_bare(row['model'])}"
        if pd.notna(row.get("expected_ms")):
            low, high = (row.get(name) if pd.notna(row.get(name)) else None for name in ("low_ms", "high_ms"))
            marks.append(dots.Dot(line, "expected, with its 90 % interval", row["expected_ms"], low, high))
        if pd.notna(row.get("latency_ms")):
            marks.append(dots.Dot(line, "measured", row["latency_ms"]))
    limits = last["limits"].iloc[-1] if "limits" in last else None
    most = limits.get("latency_s") if isinstance(limits, dict) else None
    return (
        dots.svg(marks, "ms (logarithmic)", "Expected and measured time of each step", limit=MILLI * most if most else None)
        if len(marks) > 1
        else ""
    )
