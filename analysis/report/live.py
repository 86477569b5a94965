"""Interactive charts as the page holds them: Vega-Lite without data, data sets by column, everything packed."""

import base64
import gzip
from dataclasses import dataclass, field
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from analysis import charts

LARGE = 4_000_000  # bytes
DIGITS = 4  # significant digits of numbers in charts


def pack(data: bytes) -> str:
    """gzip and base64, for a browser's DecompressionStream; the same bytes always give the same text."""
    level = 9 if len(data) < LARGE else 7  # of much data level 9 takes four times as long to save 3 %
    return base64.b64encode(gzip.compress(data, level, mtime=0)).decode("ascii")


def vega() -> str:
    """Vega, Vega-Lite and Vega-Embed as vl-convert bundles them, packed: 0.4 MB instead of 0.9."""
    import vl_convert

    return pack(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").encode())


@dataclass(frozen=True)
class Live:
    """A chart's Vega-Lite without data, the data sets it names, and which filters it ignores; or why it has none."""

    name: str
    spec: dict[str, Any] | None = None
    datasets: dict[str, Any] = field(default_factory=dict)
    free: list[str] = field(default_factory=list)
    error: str | None = None


def interactive(name: str, frame: pd.DataFrame) -> Live:
    """The interactive form of a chart; one that fails leaves its picture."""
    module = charts.load(name)
    if not hasattr(module, "interactive"):
        return Live(name)
    try:
        if module.applies(frame):
            return Live(name)
        chart = module.interactive(frame)
        named = chart._get("datasets", {})
        chart.datasets = alt.Undefined  # altair would walk through every value of every row
        spec = chart.to_dict(validate=False)
    except Exception as error:  # a chart is a plug-in: its picture is still there
        return Live(name, error=f"{type(error).__name__}: {error}")
    # A union (a+b) is put together by the page.
    return Live(name, spec, {key: columns(rows) for key, rows in named.items() if "+" not in key}, list(getattr(module, "FREE", ())))


def columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows by column: words once with their places, numbers to 4 significant digits."""
    out: dict[str, Any] = {}
    for key in rows[0] if rows else ():
        values = [row.get(key) for row in rows]
        if any(isinstance(v, str) for v in values):
            words = list(dict.fromkeys(values))
            place = {word: i for i, word in enumerate(words)}
            out[key] = {"d": words, "i": [place[v] for v in values]}
        else:
            out[key] = [_rounded(v) for v in values]
    return {"n": len(rows), "c": out}


def _rounded(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    value = float(value)
    if not np.isfinite(value):
        return None
    short = float(f"{value:.{DIGITS}g}") if abs(value) < 1e4 else round(value, 1)
    return int(short) if short.is_integer() else short
