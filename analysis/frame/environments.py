"""The facts of the environments in a frame that must be alike for times to be compared."""

from collections import defaultdict
from typing import Any

import pandas as pd

from runner.machine import environment


def comparable(rows: pd.DataFrame) -> pd.DataFrame:
    """One column of text per fact that must be alike (runner.machine.environment.comparable), None where it isn't known; in the index of the rows."""
    columns = [str(name) for name in rows if str(name).startswith("env_")]
    if not columns or rows.empty:
        return pd.DataFrame(index=rows.index)
    groups = rows.groupby(columns, dropna=False, sort=False).ngroup()
    first = rows.loc[~groups.duplicated(), columns]
    facts = [_text(flatten(environment.comparable(_nested(row)))) for row in first.to_dict("records")]
    found = pd.DataFrame(facts, index=groups[~groups.duplicated()])
    table = found.reindex(groups).set_axis(rows.index)
    return table.astype(object).where(table.notna(), None).dropna(axis=1, how="all")


def _nested(row: dict[Any, Any]) -> dict[str, Any]:
    """A row's env_* columns as the facts they were flattened from."""
    facts: dict[str, Any] = {}
    nested: dict[str, dict[str, Any]] = defaultdict(dict)
    for column, value in row.items():
        name = column.removeprefix("env_")
        parent = next((other for other in environment.NESTED if name.startswith(f"{other}_")), None)
        if parent is None:
            facts[name] = value
        elif pd.notna(value):
            nested[parent][name.removeprefix(f"{parent}_")] = value
    clocks = nested.pop("cpu_clocks_hz", {})
    highest = {cpu.removeprefix("max_"): hz for cpu, hz in clocks.items() if cpu.startswith("max_")}
    return facts | nested | {"cpu_clocks_hz": {"max": highest}}


def _text(facts: dict[str, Any]) -> dict[str, str | None]:
    return {name: None if pd.isna(value) else str(value) for name, value in facts.items()}


def flatten(facts: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested facts as one level, keys joined by `_`; lists, and the long list of installed packages, become text."""
    flat: dict[str, Any] = {}
    for key, value in facts.items():
        if key == "packages" and isinstance(value, dict):
            flat[f"{prefix}{key}"] = ", ".join(f"{name} {version}" for name, version in sorted(value.items()))
        elif isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}_")
        else:
            flat[f"{prefix}{key}"] = ", ".join(map(str, value)) if isinstance(value, list) else value
    return flat
