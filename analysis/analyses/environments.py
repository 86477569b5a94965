"""The machines that measured, and what differs between their runs."""

import pandas as pd

TITLE = "Environments"


def analyse(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """`environments`: a column per run and a row per recorded fact; `differences`: the facts that changed between runs of one machine."""
    columns = [c for c in frame if c.startswith("env_")]
    runs = frame[frame["environment"].notna() & (frame["source"] == "records")].drop_duplicates(["machine", "environment"])
    runs = runs.sort_values(["machine", "environment"])
    names = runs["machine"] + " · " + runs["environment"].astype(str)
    facts = runs[columns].astype(object).T.set_axis(names, axis=1)
    facts.index = [c.removeprefix("env_") for c in columns]
    facts = facts.dropna(how="all")
    rows = []
    for machine, group in runs.groupby("machine"):
        for column in columns:
            values = group[column].dropna().map(str)
            if values.nunique() > 1:
                said = "; ".join(f"{value} ({', '.join(group.loc[values.index[values == value], 'environment'].astype(str))})" for value in values.unique())
                rows.append((machine, column.removeprefix("env_"), said))
    return {"environments": facts.rename_axis("fact").reset_index(), "differences": pd.DataFrame(rows, columns=["platform", "fact", "values"])}


def explain(frame: pd.DataFrame) -> str:
    """How many machines, and whether any changed."""
    tables = analyse(frame)
    machines, runs = frame["machine"].nunique(), tables["environments"].shape[1] - 1
    differ = tables["differences"]
    tail = f"between runs of one machine {', '.join(sorted(differ['fact'].unique())[:6])} differ" if len(differ) else "no machine changed between its runs"
    return f"{runs} runs on {machines} machines; {tail}."
