"""The machines that measured, and what differs between their runs."""

import pandas as pd

from analysis.frame import environments, words
from analysis.frame import facts as read
from analysis.frame.cached import computed_once

TITLE = "Environments"
HIDDEN = (
    "packages",
    "cpu_flags",
    "temperatures_c",
    "cpu_clocks_hz_cur",
    "gpus",
)  # too long for a table, told elsewhere, or never the same twice


@computed_once
def analyse(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """`environments`: a row per recorded fact, a column per machine and set-up (runs with alike facts share one); `differences` between runs of one machine."""
    columns = [c for c in frame if c.startswith("env_")]
    runs = (
        frame[frame["environment"].notna() & frame["source"].eq("records")]
        .drop_duplicates(["machine", "environment"])
        .sort_values(["machine", "environment"])
    )
    facts = {c: c.removeprefix("env_") for c in columns}
    same = environments.comparable(runs)
    kept, differ = {}, []
    for machine, group in runs.groupby("machine"):
        mine = same.loc[group.index]
        setups = mine.map(str).agg("\n".join, axis=1) if len(mine.columns) else pd.Series("", index=group.index)
        for _, alike in group.groupby(setups, sort=False):
            names = alike["environment"].astype(str)
            kept[
                f"{machine} · {names.iloc[0]}"
                + (f" and {len(names) - 1} more run{'s' if len(names) > 2 else ''}" if len(names) > 1 else "")
            ] = alike.iloc[0]
        for fact, column in mine.items():
            values = column.dropna()
            if values.nunique() > 1:
                said = [f"{value if len(value) < 60 else 'another list'} ({', '.join(group.loc[values.index[values == value], 'environment'].astype(str))})"
                        for value in values.unique()]  # fmt: skip
                differ.append((machine, read.called(str(fact)), "; ".join(said)))
    shown = [c for c in columns if not facts[c].startswith(HIDDEN) and read.shown(facts[c])]
    table = pd.DataFrame({name: row[shown].astype(object) for name, row in kept.items()}, index=shown).dropna(how="all")
    table = pd.DataFrame({name: [read.read(facts[c], value) for c, value in table[name].items()] for name in table}, index=table.index)
    table.index = [read.called(facts[c]) for c in table.index]
    return {
        "environments": table.rename_axis("fact").reset_index(),
        "differences": pd.DataFrame(differ, columns=["platform", "fact", "values"]),
    }


def explain(frame: pd.DataFrame) -> str:
    """How many machines, and whether any changed."""
    differ = analyse(frame)["differences"]
    runs = frame[frame["source"].eq("records")]["environment"].nunique()
    tail = (
        f"runs of the same machine differ in {words.few(sorted(differ['fact'].unique()))}"
        if len(differ)
        else "no machine changed between its runs"
    )
    if not runs:
        return "All results are imported; their sources say nothing about the machines."
    return f"{words.plural(runs, 'run')} on {words.plural(frame['machine'].nunique(), 'machine')}; {tail}."
