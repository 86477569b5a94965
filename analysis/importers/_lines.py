"""The lines that carry imported rows into a report, beside the records."""

import json
from typing import Any

import numpy as np
import pandas as pd

from analysis.frame import columns
from analysis.frame.imported import KIND
from runner.records.schema import SCHEMA_VERSION

DERIVED = ("host", "family", "accuracy_weights")  # the frame's door adds them again


def dump(frame: pd.DataFrame) -> str:
    """The imported rows as JSON Lines of kind `imported`, to lie beside records; `load` reads them back."""
    keep = [name for name in (*columns.TEXT, *columns.NUMBERS, "quality") if name in frame and name not in DERIVED]
    lines = []
    for row in frame[keep].to_dict("records"):
        facts = {str(name): plain(value) for name, value in row.items()}
        line = {
            "schema_version": SCHEMA_VERSION,
            "kind": KIND,
            "id": facts["record_id"],
            "row": {k: v for k, v in facts.items() if v is not None},
        }
        lines.append(json.dumps(line, separators=(",", ":"), allow_nan=False))
    return "\n".join(lines) + "\n"


def plain(value: Any) -> Any:
    """A value as JSON has it; NaN is None."""
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, (np.integer, np.floating)):
        value = value.item()
    return None if value is None or value != value else value
