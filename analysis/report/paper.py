"""For papers: the frontier of each device at column width, one merged table as LaTeX and CSV, and a citation that names the environment."""

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.charts import _names, base
from analysis.charts import _style as styles
from analysis.charts._style import LIGHT
from analysis.frame import environments
from analysis.frame.frame import Merged, ranked
from analysis.frame.metrics import significant
from analysis.report import tables
from analysis.report.entries import Entry, batches, entries, fastest, frontier
from runner import __version__
from runner.files import atomic_write, file_name

COLUMN_INCHES = 3.35  # of a two-column page
HEIGHT_INCHES = 2.7
DPI = 600
ESCAPED = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}  # fmt: skip


def write(merged: Merged, folder: Path) -> list[Path]:
    """Write everything into a folder; `merged` has machines under `platform`. Returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    pools = dict(_pools(merged.frame))
    written = []
    for device, pool in pools.items():
        if len([row for row in pool if row.top1 is not None]) > 1:
            figure = draw(device, pool)
            for suffix in ("pdf", "svg", "png"):
                written.append(folder / f"frontier-{file_name(device, pools)}.{suffix}")
                content = io.BytesIO()
                undated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(suffix)
                with LIGHT.context():
                    figure.savefig(content, format=suffix, dpi=DPI, metadata=undated)
                atomic_write(written[-1], content.getvalue())
    table = merged_table(merged.frame)
    tables.write_csv(table, folder / "table.csv")
    atomic_write(folder / "table.tex", latex(pools))
    atomic_write(folder / "citation.bib", citation(merged))
    return [*written, *(folder / name for name in ("table.csv", "table.tex", "citation.bib"))]


def _pools(frame: pd.DataFrame) -> Iterator[tuple[str, list[Entry]]]:
    rows = entries(frame)
    for device in dict.fromkeys(row.device for row in rows):
        mine = [row for row in rows if row.device == device]
        yield device, fastest(mine, batches(mine)[0])


def merged_table(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per network, most accurate first: Top-1 and, for each device, time with its interval (ms per batch), batch size, MiB, mJ per image and set-up."""
    lines: dict[str, dict[str, Any]] = {}
    for device, pool in _pools(frame):
        for row in pool:
            line = lines.setdefault(row.network, {"network": row.network, "top1_percent": row.top1, "weights": row.tag})
            values = {
                "batch": row.batch,
                "ms": row.ms,
                "ms_low": row.low,
                "ms_high": row.high,
                "mib": row.mib,
                "mj_per_image": row.mj,
                "set_up": row.backend,
            }
            line |= {f"{device} {name}": value for name, value in values.items()}
    table = pd.DataFrame(list(lines.values()))
    return table.sort_values(["top1_percent", "network"], ascending=[False, True], ignore_index=True) if len(table) else table


def latex(pools: dict[str, list[Entry]]) -> str:
    """The merged table as a booktabs table: for each device ms with its 95 % interval, MiB and mJ, where any network has them."""
    shown = {
        device: [name for name in ("ms", "mib", "mj") if any(getattr(row, name) is not None for row in pool)]
        for device, pool in pools.items()
    }
    heads = {"ms": "ms (95\\,\\%)", "mib": "MiB", "mj": "mJ"}
    by_name = {device: {row.network: row for row in pool} for device, pool in pools.items()}
    top1 = {row.network: row.top1 for pool in pools.values() for row in pool}
    order = sorted(top1, key=lambda name: (-(top1[name] or 0), name))
    groups, rules, at = [], [], 3
    for device, names in shown.items():
        groups.append(rf"\multicolumn{{{len(names)}}}{{c}}{{{escaped(device)}}}")
        rules.append(rf"\cmidrule(lr){{{at}-{at + len(names) - 1}}}")
        at += len(names)
    lines = [r"% \usepackage{booktabs}", rf"\begin{{tabular}}{{lr{'r' * (at - 3)}}}", r"\toprule", " & & " + " & ".join(groups) + r" \\", " ".join(rules),
             "network & Top-1 (\\%) & " + " & ".join(heads[name] for names in shown.values() for name in names) + r" \\", r"\midrule"]  # fmt: skip
    for network in order:
        cells = [escaped(network), "--" if top1[network] is None else f"{top1[network]:.1f}"]
        cells += [_cell(by_name[device].get(network), name) for device, names in shown.items() for name in names]
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _cell(row: Entry | None, name: str) -> str:
    value = getattr(row, name) if row else None
    if row is None or value is None:
        return "--"
    interval = (
        rf" {{\footnotesize({significant(row.low, 3)}--{significant(row.high, 3)})}}" if name == "ms" and row.low and row.high else ""
    )
    return significant(value, 3) + interval


def escaped(text: str) -> str:
    """Text as LaTeX takes it."""
    return "".join(ESCAPED.get(letter, letter) for letter in text)


def draw(device: str, pool: list[Entry]) -> Figure:
    """Top-1 against time at column width: the frontier drawn and named, intervals as bars."""
    rated = [row for row in pool if row.top1 is not None]
    on = frontier(rated)
    rows = pd.DataFrame(
        {"label": row.network, "latency": row.ms, "top1": row.top1, "low": row.low, "high": row.high, "family": row.family, "on": row in on}
        for row in rated
    )
    with LIGHT.context():
        figure = Figure(figsize=(COLUMN_INCHES, HEIGHT_INCHES), layout="constrained")
        axis = figure.add_subplot()
        base.scatter(axis, rows, "latency", "top1", LIGHT, size=13)
        sure = rows.dropna(subset=["low", "high"])
        axis.hlines(sure["top1"], sure["low"], sure["high"], color=LIGHT.ink, linewidth=0.6)
        steps = rows[rows["on"]].sort_values("latency")
        axis.step(steps["latency"], steps["top1"], where="post", color=LIGHT.ink, linewidth=0.7)
        batch = pool[0].batch
        axis.set_xlabel("Latency (ms)" if batch == 1 else f"Latency (ms per batch of {batch})", fontsize=7.5)
        axis.set_ylabel("Top-1 accuracy (%)", fontsize=7.5)
        axis.tick_params(labelsize=6.5)
        axis.set_title(device, loc="left", fontsize=7.5)
        handles = [
            axis.scatter([], [], s=13, c=styles.family(name)[0], marker=styles.marker(name), label=name)
            for name in styles.order(rows["family"])
        ]
        if len(handles) < 13:
            figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=5.5, handletextpad=0.2, columnspacing=0.8)
        base.settle(figure)
        _names.label(axis, rows[rows["on"]], "latency", "top1", LIGHT, avoid=rows, sizes=13)
    return figure


def citation(merged: Merged) -> str:
    """A BibTeX entry for these results: what was measured, when, with what, and a fingerprint of the environments."""
    cells = ranked(merged.frame)
    facts = environments.comparable(cells) if len(cells) else pd.DataFrame()
    known = sorted(
        json.dumps(row, sort_keys=True, default=str)
        for row in facts.drop_duplicates().astype(object).where(facts.notna(), None).to_dict("records")
    )
    print_ = hashlib.sha256("\n".join(known).encode()).hexdigest()
    dates = sorted(str(value)[:10] for value in cells["started_at"].dropna())
    day = dates[-1] if dates else ""
    cited = sorted(set(cells["citation"].dropna()))
    devices, networks = cells["platform"].nunique(), cells["model"].nunique()
    title = f"Inference of {networks} {'network' if networks == 1 else 'networks'} on {devices} {'device' if devices == 1 else 'devices'}"
    note = f"Measured with Dyno {__version__}; {len(cells)} cells; environment sha256:{print_[:16]}"
    lines = [f"@misc{{dyno-{print_[:8]},", f"  title = {{{title}}},", *([f"  year = {{{day[:4]}}},", f"  month = {{{int(day[5:7])}}},"] if day else []),
             f"  note = {{{note}}},", "}"]  # fmt: skip
    head = [f"% environment sha256:{print_}", f"% devices: {', '.join(sorted(map(str, cells['platform'].unique())))}"]
    return "\n".join([*head, *(f"% imported: {text}" for text in cited), *lines, ""])
