"""The page: one HTML file. Text and tables are there at once; charts and long tables wait, compressed, until they come into view or the page is idle."""

import base64
import functools
import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import altair as alt
import jinja2
import numpy as np
import pandas as pd

from analysis import charts
from analysis.analyses import inference_time
from analysis.frame import metrics
from analysis.frame.frame import Merged, ranked
from analysis.report import figures, insight, screen, side, tables, verdict, watch
from analysis.report.entries import Entry

TEMPLATES = Path(__file__).with_name("templates")
FILTERS = {
    "platform": "platform",
    "backend": "backend",
    "precision": "precision",
    "scenario": "scenario",
    "batch_size": "batch size",
    "family": "family",
}
SUBJECT = {
    "pareto": "pareto",
    "speedup": "speedup",
    "roofline": "roofline",
    "time_table": "inference_time",
}  # a chart and the tables that say the same
DIGITS = 4  # significant digits of numbers in charts
METHODS = (
    "anova",
    "batch_law",
    "clusters",
    "density",
    "frontiers",
    "memory_line",
    "pairs",
    "rank_stability",
    "ranks",
)  # a closed part of the page


def render(merged: Merged, drawn: list[figures.Drawn], done: list[Any], live: list["Live"], findings: pd.DataFrame | str, library: str,
           animated: str | None = None, left_out: bool = False, predicted: Sequence[Entry] = (), stamp: str = "") -> str:  # fmt: skip
    """The page as text; with a stamp it reloads once the stamp beside it is another."""
    frame = merged.frame
    specs = {
        chart.name: {"spec": chart.spec, "free": chart.free} if chart.spec else {"error": chart.error}
        for chart in live
        if chart.spec or chart.error
    }
    datasets = {name: table for chart in live for name, table in chart.datasets.items()}
    long_tables: dict[str, Any] = {}
    changed = insight.changes(frame, merged.floors)
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    sections = [_section(item, frame, long_tables) for item in done]
    found = screen.devices(merged, predicted)
    beside = side.table(frame)
    if len(found) > 1 and len(beside) > tables.LONG:
        long_tables["side"] = tables.payload(beside)
    data = pack(
        json.dumps(
            {
                "specs": specs,
                "datasets": datasets,
                "tables": long_tables,
                "pictures": {d.stem: d.picture for d in drawn if d.picture},
                "metrics": _metric_titles(),
            },
            separators=(",", ":"),
            allow_nan=False,
        ).encode()
    )
    shown = _figures(frame, drawn, specs)
    figured = [figure for figure in shown if figure["there"]]
    tabled = {section["name"]: section for section in sections if not section["missing"]}
    for figure in figured:
        figure["section"] = tabled.get(SUBJECT.get(figure["name"], ""))
    joined = {figure["section"]["name"] for figure in figured if figure["section"]}
    body = {
        "first": found[0],
        "devices": found,
        "title": f"{found[0].verdict.title} ({found[0].name})",
        "touched": screen.touched(found[0]),
        "choices": _script(_choices(frame, found, predicted)),
        "side": tables.html(beside) if len(found) > 1 and len(beside) <= tables.LONG else "",
        "side_long": "side" in long_tables,
        "slope": side.svg(frame) if len(found) > 1 else "",
        "side_line": side.sentence(frame),
        "made": insight.last_day(frame),
        "counts": _counts(merged),
        "filters": filters(frame),
        "change": insight.change_sentence(frame, changed, merged.floors),
        "changed": tables.html(changed.head(12)) if len(changed) else "",
        "changed_more": max(0, len(changed) - 12),
        "findings": findings if isinstance(findings, str) else "",
        "checks": insight.summary(findings) if isinstance(findings, pd.DataFrame) else [],
        "doubts": insight.doubts(merged),
        "figures": figured,
        "animated": animated,
        "sections": [section for section in sections if not section["missing"] and section["name"] not in (*METHODS, *joined)],
        "methods": [section for section in sections if not section["missing"] and section["name"] in METHODS],
        "left_out": left_out,
        "without": _without(shown, sections),
        "networks": sorted(frame["label"].dropna().unique()),
        "css": "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("report.css", "decide.css")),
        "js": (TEMPLATES / "report.js").read_text(encoding="utf-8"),
        "decide": (TEMPLATES / "decide.js").read_text(encoding="utf-8"),
        "watch": watch.SCRIPT % stamp if stamp else "",
        "data": data,
        "library": library,
    }
    body["nonce"] = hashlib.sha256((data + str(merged.files)).encode()).hexdigest()[:24]
    return environment.get_template("report.html.j2").render(body)


def _choices(frame: pd.DataFrame, found: list[screen.Device], predicted: Sequence[Entry]) -> dict[str, Any]:
    """What decide.js chooses from."""
    screens = {
        device.name: {
            "limits": asdict(device.limits), "machine": device.machine, "trust": device.trust, "counts": device.counts, "unrated": device.unrated,
            "batches": device.batches, "precisions": device.precisions, "seen": {"points": device.seen.points, "words": device.seen.words},
            "verdict": {"title": device.verdict.title, "sentence": device.verdict.sentence},
        }
        for device in found
    }  # fmt: skip
    return {"screens": screens, "data": screen.data(frame, predicted), "z90": verdict.Z90, "likely": verdict.LIKELY}


def _script(value: Any) -> str:
    """JSON that can stand in a script element whatever its texts hold."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _without(shown: list[dict[str, Any]], sections: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(title, reason) of what does not apply, each once."""
    said = {figure["title"]: next(part["missing"] for part in figure["parts"]) for figure in shown if not figure["there"]}
    return list((said | {section["title"]: section["missing"] for section in sections if section["missing"]}).items())


def pack(data: bytes) -> str:
    """gzip and base64, for a browser's DecompressionStream; the same bytes always give the same text."""
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode("ascii")


def vega() -> str:
    """Vega, Vega-Lite and Vega-Embed as vl-convert bundles them, packed: 0.4 MB instead of 0.9."""
    import vl_convert

    return pack(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").encode())


def _metric_titles() -> dict[str, str]:
    return {name: metric.title for name, metric in metrics.METRICS.items()}


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


def filters(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """What can be filtered: field, title, values, and those chosen at first (one platform, the smallest batch, one request in flight)."""
    cells = ranked(frame)
    found = []
    for name, title in FILTERS.items():
        values = sorted(cells[name].dropna().unique())
        if name == "batch_size":
            values = [int(v) for v in values]
        first = values
        if name == "batch_size":
            first = values[:1]
        elif name == "platform" and values:
            first = [cells["platform"].value_counts().index[0]]
        elif name == "scenario" and "latency" in values:
            first = ["latency"]
        found.append({"name": name, "title": title, "values": [{"value": v, "on": v in first} for v in values]})
    return found


def _counts(merged: Merged) -> list[tuple[str, str]]:
    frame = merged.frame
    cells = ranked(frame)
    # A network that was timed at two input sizes is one network.
    numbers = ((frame["platform"].nunique(), "device"), (cells["backend"].nunique(), "backend"), (cells["model"].nunique(), "network"),
               (len(cells), "ranked cell"), (len(frame), "record"), (len(merged.files), "file"))  # fmt: skip
    return [(f"{number:,}", name if number == 1 else f"{name}s") for number, name in numbers]


def _figures(frame: pd.DataFrame, drawn: list[figures.Drawn], specs: dict[str, Any]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for item in drawn:
        if not out or out[-1]["name"] != item.chart:
            module = charts.load(item.chart)
            out.append({"name": item.chart, "title": module.TITLE, "interactive": "spec" in specs.get(item.chart, {}), "parts": [],
                        "free": [FILTERS.get(f, f) for f in getattr(module, "FREE", ())]})  # fmt: skip
        out[-1]["parts"].append(
            {
                "platform": item.platform,
                "stem": item.stem,
                "sentence": item.sentence,
                "missing": item.missing,
                "picture": bool(item.picture),
            }
        )
    for figure in out:
        figure["there"] = any(not part["missing"] for part in figure["parts"])
        figure["line"] = next((part["sentence"] for part in figure["parts"] if part["sentence"]), "")
    return out


def _section(item: Any, frame: pd.DataFrame, long_tables: dict[str, Any]) -> dict[str, Any]:
    """An analysis for the template: its tables as HTML, long ones by reference."""
    shown = []
    heat, marked = None, None
    marks: set[tuple[str, str, str]] = set()
    if item.name == "inference_time" and item.tables:
        marks = inference_time.marks(frame)
    for name, table in item.tables.items():
        if table.empty:  # a run without gaps has no table of gaps
            continue
        entry: dict[str, Any] = {
            "name": name,
            "rows": len(table),
            "csv": f"tables/{tables.csv_name(item.name, name)}.csv",
            "platform": None,
        }
        if item.name == "inference_time":
            marked = functools.partial(lambda n, label, column: (n, label, column) in marks, name)
            values = pd.Series(
                [
                    value
                    for row in table.to_dict("records")
                    for column, value in row.items()
                    if column != "label" and not marked(row["label"], str(column))
                ],
                dtype=float,
            )
            heat = tables.heat_scale(values, "higher" if name.endswith("throughput") else "lower")
            entry |= {
                "platform": name.split(" · ")[0],
                "scenario": name.split(" · ")[-1],
                "unit": "images/s" if name.endswith("throughput") else "ms per image",
            }
        if len(table) > tables.LONG:
            key = f"{item.name}-{len(long_tables)}"
            long_tables[key] = tables.payload(table)
            entry["long"] = key
        else:
            entry["html"] = tables.html(table, heat, marked)
        shown.append(entry)
    missing = item.missing or (None if shown else item.sentence.rstrip(".") or "nothing was found")
    return {"name": item.name, "title": item.title, "sentence": item.sentence, "missing": missing, "tables": shown}
