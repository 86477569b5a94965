"""Two networks with each other's times: held against other set-ups, against their size, and against their siblings."""

import re
from collections.abc import Iterator

import numpy as np
import pandas as pd

from analysis.checks import base
from analysis.frame import setups
from analysis.stats import suspects

TITLE = "rows exchanged"


def find(cells: pd.DataFrame) -> Iterator[base.Finding]:
    centred = {label: _centred(part) for label, part in setups.named(cells)}
    table = pd.DataFrame(centred)
    told = set()
    for label, part in setups.named(cells):
        ids = part.drop_duplicates("model").set_index("model")["cell_id"]
        seen = centred[label]
        others = table.drop(columns=label).reindex(seen.index)
        first = part.drop_duplicates("model").set_index("model").reindex(seen.index)
        for severity, source, expected in (
            ("error", "other set-ups", others.median(axis=1)),
            ("warning", "their size", _expected(seen, first)),
        ):
            for i, j in suspects.exchanged(seen.to_numpy(float), expected.to_numpy(float), 0.03):
                pair = (seen.index[i], seen.index[j])
                if (label, frozenset(pair)) not in told:
                    told.add((label, frozenset(pair)))
                    verb = "lead" if source == "other set-ups" else "leads"
                    yield (
                        severity,
                        ids[pair[0]],
                        f"{pair[0]} and {pair[1]} on {label}: {source} {verb} to expect each other's times; are rows exchanged?",
                    )
        for i, j in suspects.out_of_order(_bigger(first), _conditions(part).reindex(seen.index).to_numpy(float)):
            pair = (seen.index[i], seen.index[j])
            if (label, frozenset(pair)) not in told:
                yield ("warning", ids[pair[0]], f"{pair[0]} on {label} is faster than {pair[1]}, its smaller sibling")


def _conditions(part: pd.DataFrame) -> pd.DataFrame:
    return part.pivot_table(index="model", columns="batch_size", values="log_time", aggfunc="median")


def _centred(part: pd.DataFrame) -> pd.Series:
    table = _conditions(part)
    table = table.loc[:, table.notna().mean() >= 0.5]
    return (table - table.median()).median(axis=1).dropna()


def _features(first: pd.DataFrame) -> pd.DataFrame:
    operators = first["op_features"].map(
        lambda groups: sum(g.get("count") or 0 for g in groups.values()) if isinstance(groups, dict) else np.nan
    )
    table = first[["gmacs", "params_m", "activations_m"]].assign(operators=operators).astype(float)
    return table.where(table > 0)


def _expected(seen: pd.Series, first: pd.DataFrame) -> pd.Series:
    table = _features(first)
    known = table.loc[:, table.notna().mean() > 0.9].apply(np.log)
    return pd.Series(suspects.from_features(seen.to_numpy(float), known.to_numpy(float)) if known.shape[1] else np.nan, index=seen.index)


def _siblings(names: list[str]) -> np.ndarray:
    """[i, j]: names that differ in one number alone, as densenet121 and densenet169 do."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for at, name in enumerate(names):
        words = re.split(r"(\d+)", name)
        for number in range(1, len(words), 2):
            groups.setdefault((*words[:number], "#", *words[number + 1 :]), []).append(at)
    result = np.zeros((len(names), len(names)), bool)
    for members in groups.values():
        result[np.ix_(members, members)] = True
    return result


def _bigger(first: pd.DataFrame) -> np.ndarray:
    """[i, j]: log ratio of multiply-adds of siblings, NaN unless i has clearly more multiply-adds and no less of anything else that is known.

    Other relatives do not count: a variant with cheaper operators may be bigger and faster.
    """
    table = _features(first)
    gmacs = table["gmacs"].to_numpy()
    margin = 1.1 if table["operators"].notna().all() else 1.2
    result = _siblings(list(map(str, first.index))) & (gmacs[:, None] > margin * gmacs[None, :])
    for name in ("params_m", "activations_m", "operators"):
        values = table[name].to_numpy()
        result &= ~(values[:, None] < values[None, :])
    with np.errstate(invalid="ignore"):
        return np.where(result, np.log(gmacs[:, None] / gmacs[None, :]), np.nan)
