"""Parts of the page below its first screen, as the template takes them: charts, analyses, and what does not apply."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis import charts
from analysis.analyses import inference_time
from analysis.frame.frame import Merged
from analysis.report import figures, profiled, searched, tables

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


@dataclass(frozen=True)
class Analysed:
    """One analysis: its tables by name, a sentence, a drawing, or what went wrong."""

    name: str
    title: str
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    sentence: str = ""
    missing: str | None = None
    drawing: str = ""


def of_charts(drawn: Sequence[figures.Drawn], specs: Mapping[str, Any], tabled: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Charts with their parts by platform, and with the section whose tables say the same."""
    out: list[dict[str, Any]] = []
    for item in drawn:
        if not out or out[-1]["name"] != item.chart:
            module = charts.load(item.chart)
            out.append({"name": item.chart, "title": module.TITLE, "interactive": "spec" in specs.get(item.chart, {}), "parts": [],
                        "section": tabled.get(SUBJECT.get(item.chart, "")), "fields": list(getattr(module, "FREE", ())), "free": [FILTERS.get(f, f) for f in getattr(module, "FREE", ())]})  # fmt: skip
        part = {name: getattr(item, name) for name in ("platform", "stem", "sentence", "missing")}
        out[-1]["parts"].append(part | {"picture": bool(item.picture), "files": figures.FORMATS if item.files else ()})
    for figure in out:
        figure["there"] = any(not part["missing"] for part in figure["parts"])
        figure["line"] = next((part["sentence"] for part in figure["parts"] if part["sentence"]), "")
        figure["section"] = figure["section"] if figure["there"] else None
    return out


def of_analysis(item: Analysed, frame: pd.DataFrame, long_tables: dict[str, Any]) -> dict[str, Any]:
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
        shown.append(entry | _table(table, item.name, long_tables, heat=heat, marked=marked))
    missing = item.missing or (None if shown else item.sentence.rstrip(".") or "nothing was found")
    return {"name": item.name, "title": item.title, "sentence": item.sentence, "missing": missing, "tables": shown, "svg": item.drawing}


def of_profiles(merged: Merged, long_tables: dict[str, Any]) -> dict[str, Any]:
    """Where the time goes, by what `dyno profile` recorded."""
    table = profiled.table(merged.profiles, merged.frame)
    if table.empty:
        return _missing("profile", profiled.TITLE, profiled.NONE)
    bars = [column for column in table if column.endswith(", %")]
    return _own("profile", profiled.TITLE, profiled.sentence(table), "", table, long_tables, bars)


def of_search(path: pd.DataFrame, long_tables: dict[str, Any]) -> dict[str, Any]:
    """What `dyno search` asked for and found."""
    if path.empty:
        return _missing("search", searched.TITLE, searched.NONE)
    return _own("search", searched.TITLE, searched.sentence(path), searched.svg(path), searched.table(path), long_tables)


def _missing(name: str, title: str, why: str) -> dict[str, Any]:
    return {"name": name, "title": title, "missing": why, "tables": []}


def _own(
    name: str, title: str, said: str, svg: str, table: pd.DataFrame, long_tables: dict[str, Any], bars: Sequence[str] = ()
) -> dict[str, Any]:
    entry = {"name": title, "rows": len(table), "csv": f"tables/{name}.csv"} | _table(table, name, long_tables, bars=bars)
    return {"name": name, "title": title, "sentence": said, "missing": None, "tables": [entry], "svg": svg}


def _table(table: pd.DataFrame, name: str, long_tables: dict[str, Any], **looks: Any) -> dict[str, str]:
    """A table as HTML, or, where it is long, a key of those that the page builds on demand."""
    if len(table) <= tables.LONG:
        return {"html": tables.html(table, **looks)}
    key = f"{name}-{len(long_tables)}"
    long_tables[key] = tables.payload(table)
    return {"long": key}


def without(shown: list[dict[str, Any]], sections: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(title, reason) of what does not apply, each once."""
    said = {figure["title"]: next(part["missing"] for part in figure["parts"]) for figure in shown if not figure["there"]}
    return list((said | {section["title"]: section["missing"] for section in sections if section["missing"]}).items())
