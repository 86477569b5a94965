"""The page: one HTML file. Text and tables are there at once; charts and long tables wait, compressed, until they come into view or the page is idle."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from analysis.frame import metrics, words
from analysis.frame.frame import Merged, ranked
from analysis.report import figures, insight, paper, screen, sections, side, tables, trust, verdict, watch
from analysis.report.entries import Entry, entries
from analysis.report.live import Live, compact, pack

TEMPLATES = Path(__file__).with_name("templates")
METHODS = (
    "anova",
    "batch_law",
    "clusters",
    "critical_difference",
    "density",
    "frontiers",
    "memory_line",
    "pairs",
    "rank_stability",
    "ranks",
)  # a closed part of the page


@dataclass(frozen=True)
class Parts:
    """What a page is made of beside the frame."""

    drawn: Sequence[figures.Drawn]
    done: Sequence[sections.Analysed]
    live: Sequence[Live]
    findings: pd.DataFrame | str
    library: str
    animated: str | None = None
    left_out: bool = False
    predicted: Sequence[Entry] = ()
    searched: pd.DataFrame = field(default_factory=pd.DataFrame)  # analysis.predict.path.table
    stamp: str = ""


def render(merged: Merged, parts: Parts, found: list[screen.Device]) -> str:
    """The page as text; with a stamp it reloads once the stamp beside it is another. found: its devices (analysis.report.screen)."""
    frame = merged.frame
    long_tables: dict[str, Any] = {}
    shown = [sections.of_analysis(item, frame, long_tables) for item in parts.done]
    own = [sections.of_profiles(merged, long_tables), sections.of_search(parts.searched, long_tables)]
    beside, several = side.table(frame), len(side.fast(frame)) > 1
    if several and len(beside) > tables.LONG:
        long_tables["side"] = tables.payload(beside)
    specs = {chart.name: {"spec": chart.spec, "free": chart.free} if chart.spec else {"error": chart.error} for chart in parts.live if chart.spec or chart.error}  # fmt: skip
    datasets = {name: table for chart in parts.live for name, table in chart.datasets.items()}
    held = {
        "specs": compact(specs),
        "datasets": _joined(datasets),
        "tables": compact(long_tables),
        "pictures": compact({d.stem: d.picture for d in parts.drawn if d.picture}),
        "metrics": compact({name: metric.title for name, metric in metrics.METRICS.items()}),
    }
    packed = pack(_joined(held).encode())
    charted = sections.of_charts(parts.drawn, specs, {section["name"]: section for section in shown if not section["missing"]})
    joined = {figure["section"]["name"] for figure in charted if figure["section"]}
    there = [section for section in shown if not section["missing"] and section["name"] not in joined]
    changed = insight.changes(frame, merged.floors)
    body = {
        "first": found[0],
        "devices": found,
        "title": f"{found[0].verdict.title} ({found[0].name})",
        "touched": screen.touched(found[0]),
        "choices": _script(_choices(merged, found, parts.predicted)),
        "side": tables.html(beside) if several and len(beside) <= tables.LONG else "",
        "side_long": "side" in long_tables,
        "slope": side.svg(frame) if several else "",
        "side_line": side.sentence(frame),
        "side_note": trust.weights(entries(frame)).replace(
            "It belongs to the weights named beside each network", "Top-1 belongs to the weights that each device’s table names"
        ),
        "made": insight.last_day(frame),
        "counts": _counts(merged),
        "filters": filters(frame),
        "change": insight.change_sentence(frame, changed, merged.floors),
        "changed": tables.html(changed.head(12)) if len(changed) else "",
        "changed_more": max(0, len(changed) - 12),
        "findings": parts.findings if isinstance(parts.findings, str) else "",
        "checks": insight.summary(parts.findings) if isinstance(parts.findings, pd.DataFrame) else [],
        "doubts": [*(f"{device.name}: {device.off}" for device in found if device.off), *insight.doubts(merged)],
        "figures": [figure for figure in charted if figure["there"] and figure["name"] not in METHODS],
        "method_figures": [figure for figure in charted if figure["there"] and figure["name"] in METHODS],
        "animated": parts.animated,
        "own": [section for section in own if not section["missing"]],
        "sections": [section for section in there if section["name"] not in METHODS],
        "methods": [section for section in there if section["name"] in METHODS],
        "left_out": parts.left_out,
        "without": sections.without(charted, [*own, *shown]),
        "networks": sorted(frame["label"].dropna().unique()),
        "css": "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("report.css", "decide.css")),
        "js": (TEMPLATES / "report.js").read_text(encoding="utf-8"),
        "decide": (TEMPLATES / "decide.js").read_text(encoding="utf-8"),
        "watch": watch.SCRIPT % parts.stamp if parts.stamp else "",
        "data": packed,
        "library": parts.library,
        "nonce": hashlib.sha256((packed + str(merged.files)).encode()).hexdigest()[:24],
    }
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["bound"] = words.bound
    return environment.get_template("report.html.j2").render(body)


def _choices(merged: Merged, found: list[screen.Device], predicted: Sequence[Entry]) -> dict[str, Any]:
    """What decide.js chooses from."""
    screens = {
        device.name: {
            "limits": asdict(device.limits), "machine": device.machine, "trust": device.trust, "counts": device.counts, "unrated": device.unrated,
            "batches": device.batches, "precisions": device.precisions, "seen": {"points": device.seen.points, "words": device.seen.words},
            "verdict": {"title": device.verdict.title, "sentence": device.verdict.sentence},
        }
        for device in found
    }  # fmt: skip
    return {
        "screens": screens,
        "data": screen.data(merged.frame, predicted),
        "z90": verdict.Z90,
        "likely": verdict.LIKELY,
        "cite": paper.citation(merged),
    }


def _joined(texts: Mapping[str, str]) -> str:
    """A JSON object of what is JSON already."""
    return "{" + ",".join(f"{compact(name)}:{text}" for name, text in texts.items()) + "}"


def _script(value: Any) -> str:
    """JSON that can stand in a script element whatever its texts hold."""
    return compact(value).replace("<", "\\u003c")


def filters(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """What can be filtered: field, title, values, and those chosen at first (one platform, the smallest batch, one request in flight)."""
    cells = ranked(frame)
    found = []
    for name, title in sections.FILTERS.items():
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
    return [(f"{number:,}", name if number == 1 else f"{name}s") for number, name in numbers if number]
