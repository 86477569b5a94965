"""The columns of the cache, and what a row of the frame becomes in them.

Numbers and words have a column each. What nests (quality, medians, operator groups) is JSON text, and so is the rest, which the frame may
hold beyond its own columns.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from analysis.frame import columns, quick_json

NESTED = (*columns.TUPLES, "op_features", "executed")
NUMBERS, TEXT = columns.NUMBERS, columns.TEXT
WHOLE = (
    "batch_size",
    "attempt",
    "n_replicates",
    "n_samples",
    "input_px",
    "in_flight",
    "parity_top1_flips",
    "n_asked",
    "rounds",
)  # whole numbers where none is missing
TYPES = dict.fromkeys(NUMBERS, "DOUBLE") | dict.fromkeys(TEXT, "VARCHAR") | dict.fromkeys(NESTED, "JSON") | {"contended": "BOOLEAN"}
# the types of a column's own values; what else the frame holds under its name goes to the rest
PLAIN = dict.fromkeys(NUMBERS, (float, int)) | dict.fromkeys(TEXT, (str,)) | {"contended": (bool,)}


def packed(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the frame as values for the columns; None and NaN are left out."""
    out: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for name, value in row.items():
        if value is None or (isinstance(value, float) and value != value):
            continue
        if type(value) in PLAIN.get(name, ()):
            out[name] = value
        elif name in NESTED:
            out[name] = quick_json.dumps(value).decode()
        else:
            rest[name] = value
    if rest:
        out["rest"] = quick_json.dumps(rest).decode()
    return out


def unpacked(name: str, text: str) -> Any:
    """The value of a column that nests."""
    value = orjson.loads(text)
    return tuple(value) if name in columns.TUPLES and isinstance(value, list) else value
