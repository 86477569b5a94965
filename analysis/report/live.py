"""Interactive charts as the page holds them: Vega-Lite without data, data sets by column, everything packed."""

import base64
import gzip
import json
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

from analysis import charts
from analysis.charts import _columns
from analysis.charts._interactive import by_column
from runner.files import atomic_write, made_once, user_cache

LARGE = 4_000_000  # bytes


def pack(data: bytes) -> str:
    """gzip and base64, for a browser's DecompressionStream; the same bytes always give the same text."""
    level = 9 if len(data) < LARGE else 7  # of much data level 9 takes four times as long to save 3 %
    return base64.b64encode(gzip.compress(data, level, mtime=0)).decode("ascii")


def compact(value: Any) -> str:
    """JSON without spaces, which knows no NaN."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def vega() -> str:
    """Vega, Vega-Lite and Vega-Embed as vl-convert bundles them, packed: 0.4 MB instead of 0.9.

    Bundling takes more than a second and 90 MB, so the cache keeps what each version of vl-convert makes.
    """
    try:
        kept = Path(user_cache(), f"vega-{metadata.version('vl-convert-python')}.b64")
        return Path(made_once(str(kept), lambda path: atomic_write(path, _bundled()))).read_text(encoding="ascii")
    except OSError:  # no home, a full disk
        return _bundled()


def _bundled() -> str:
    import vl_convert

    return pack(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").encode())


@dataclass(frozen=True)
class Live:
    """A chart's Vega-Lite without data, the data sets it names, and which filters it ignores; or why it has none."""

    name: str
    spec: dict[str, Any] | None = None
    datasets: dict[str, str] = field(default_factory=dict)  # JSON: a process hands text over in a tenth of the memory of lists
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
        with by_column():
            chart = module.interactive(frame)
        named = chart._get("datasets", {})
        chart.datasets = alt.Undefined  # altair would walk through every value of every row
        spec = chart.to_dict(validate=False)
    except Exception as error:  # a chart is a plug-in: its picture is still there
        return Live(name, error=f"{type(error).__name__}: {error}")
    # A union (a+b) is put together by the page. A plug-in may hold rows.
    sets = {key: held if isinstance(held, dict) else _columns.of_rows(held) for key, held in named.items() if "+" not in key}
    return Live(name, spec, {key: compact(held) for key, held in sets.items()}, list(getattr(module, "FREE", ())))
