"""A data set of an interactive chart by column: words once with their places, numbers to 4 significant digits. A tenth of its size as rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

DIGITS = 4  # significant digits of numbers in charts


def of_rows(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Rows, all with the fields of the first, by column."""
    return {"n": len(rows), "c": {key: _values([row.get(key) for row in rows]) for key in (rows[0] if rows else ())}}


def of_table(table: pd.DataFrame) -> dict[str, Any]:
    """What `of_rows` makes of a table's rows, each different word and number looked at once."""
    return {"n": len(table), "c": {name: _column(table[name]) for name in table} if len(table) else {}}


def _column(values: pd.Series) -> Any:
    if isinstance(values.dtype, pd.StringDtype) or values.dtype.kind == "f":
        codes, unique = pd.factorize(values)
        if values.dtype.kind == "f":
            said = [*map(_rounded, unique.tolist()), None]  # code -1, the last, is missing
            return [said[code] for code in codes.tolist()]
        if not len(unique):
            return [None] * len(values)
        words: list[str | None] = list(unique)
        if (missing := codes < 0).any():  # it stands among the words where it is first seen
            at = int(codes[: int(np.argmax(missing))].max(initial=-1)) + 1
            words.insert(at, None)
            codes = np.where(missing, at, codes + (codes >= at))
        return {"d": words, "i": codes.tolist()}
    return _values(values.astype(object).where(values.notna(), None).tolist())


def _values(values: Sequence[Any]) -> Any:
    if any(isinstance(value, str) for value in values):
        words = list(dict.fromkeys(values))
        place = {word: i for i, word in enumerate(words)}
        return {"d": words, "i": [place[value] for value in values]}
    return [_rounded(value) for value in values]


def _rounded(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    value = float(value)
    if not np.isfinite(value):
        return None
    short = float(f"{value:.{DIGITS}g}") if abs(value) < 1e4 else round(value, 1)
    return int(short) if short.is_integer() else short
