"""The first screen: verdict, machine, limits, chart, table and trust of each device, as HTML that needs no script, and the data that the script chooses from."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from dataclasses import fields as dataclass_fields
from datetime import datetime
from html import escape
from itertools import compress
from typing import Any

import numpy as np
import pandas as pd

from analysis.charts import _style as styles
from analysis.compare.noise import Floor
from analysis.frame.frame import Merged, latest
from analysis.frame.metrics import significant
from analysis.report import plot
from analysis.report.entries import SPELT, Entry, batches, entries, fastest, frontier
from analysis.report.verdict import CAMERA, IMAGENET, Limits, Seen, Verdict, asked, decide, sure_of

FIELDS = ("network", "family", "backend", "precision", "batch", "ms", "low", "high", "p90", "p99", "top1", "mib", "mj", "trust", "model", "px", "framework", "tag", "heat", "measured")  # fmt: skip
PACKAGES = {"pytorch": "torch", "onnxruntime": "onnxruntime", "openvino": "openvino", "tensorrt": "tensorrt"}


@dataclass(frozen=True)
class Device:
    """One device of the first screen: what is said of it before the reader asks for anything else."""

    name: str
    machine: str
    verdict: Verdict
    limits: Limits
    chart: str
    table: str
    trust: str
    counts: tuple[int, int, int]  # clean, with a reservation, left out
    unrated: str
    commands: tuple[str, str] | None
    batches: list[int]
    precisions: list[str]
    seen: Seen


def devices(merged: Merged, predicted: Sequence[Entry] = ()) -> list[Device]:
    """Every device, the one with most ranked cells first. predicted: entries of networks that were not measured there."""
    frame = merged.frame
    rows = [*entries(frame), *predicted]
    names = frame["platform"].value_counts().index
    found = [
        _device(str(name), [row for row in rows if row.device == name], frame[frame["platform"] == name], merged.floors) for name in names
    ]
    return sorted(found, key=lambda device: -sum(device.counts[:2]))


def _device(name: str, rows: list[Entry], part: pd.DataFrame, floors: Sequence[Floor]) -> Device:
    measured = [row for row in rows if row.measured]
    sizes = batches(measured) if measured else [1]
    # Asked for until the reader asks otherwise: what a camera needs, one image at a time.
    limits = Limits(batch=sizes[0], ms=1e3 / CAMERA if sizes[0] < 2 else None, rate=CAMERA if sizes[0] > 1 else None)
    seen = _seen(part)
    verdict = decide(rows, limits, seen) if rows else nothing(part)
    pool = fastest(rows, limits.batch)
    counts, words = trust(part, [row for row in rows if row.measured], floors)
    known = [row for row in pool if row.measured]
    unrated = sum(row.top1 is None for row in known)
    note = ""
    if 0 < unrated < len(known):
        what = f"{unrated} of {len(known)} networks have" if unrated > 1 else f"One of {len(known)} networks has"
        note = f"{what} no known Top-1 and can't stand in the chart."
    return Device(
        name, machine(part), verdict, limits, plot.svg(pool, limits, verdict.take), table(pool, limits, verdict.take), words, counts, note,
        commands(verdict.take), sizes, sorted({row.precision for row in measured}), seen,
    )  # fmt: skip


def _seen(part: pd.DataFrame) -> Seen:
    """The images that most of a device's Top-1 are of."""
    has = part[part["top1"].notna()]
    if has.empty:
        return IMAGENET
    data = str(has["accuracy_data"].fillna(IMAGENET.data).mode().iloc[0])
    counts = (
        has.loc[has["accuracy_data"].fillna(IMAGENET.data).eq(data), "accuracy_images"]
        if "accuracy_images" in has
        else pd.Series(dtype=float)
    )
    counts = pd.to_numeric(counts, errors="coerce").dropna()
    known = {"CIFAR-10": 10_000, "CIFAR-100": 10_000}.get(data, IMAGENET.images)
    return Seen(data, int(counts.mode().iloc[0]) if len(counts) else known)


def nothing(part: pd.DataFrame) -> Verdict:
    """The verdict where no cell can be ranked: why."""
    cells = latest(part[part["role"] == "cell"])
    contended = int((cells["status"].eq("ok") & cells["contended"]).sum())
    failed = cells[cells["status"].isin(["failed", "skipped"])]
    if contended and not len(failed):
        all_cells = f"all {contended} cells were" if contended > 1 else "the only cell was"
        return Verdict(
            f"No verdict: {all_cells} contended", "Something else used this CPU or GPU meanwhile. Measure again while nothing else runs."
        )
    if len(failed):
        reasons = failed["reason"].fillna("no reason recorded").value_counts()
        count = f"all {len(failed)} cells" if len(failed) > 1 else "the only cell"
        also = "" if len(reasons) == 1 else f", and {len(reasons) - 1} other {'reason' if len(reasons) == 2 else 'reasons'}"
        verb = "failed" if failed["status"].eq("failed").all() else "were skipped or failed" if len(failed) > 1 else "was skipped"
        head = f"No verdict: {count} {verb}" if not contended else f"No verdict: {len(failed)} cells failed and {contended} were contended"
        return Verdict(f"{head}: {reasons.index[0]}{also}", "Each reason stands under Coverage.")
    return Verdict("No verdict: no network was timed one request at a time", "What was measured stands below.")


def machine(part: pd.DataFrame) -> str:
    """Board, GPU or CPU, versions, power mode, date and protocol in words."""
    last = part.sort_values("started_at", kind="stable", na_position="first").iloc[-1]

    def fact(name: str) -> str:
        value = last.get(f"env_{name}")
        return "" if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)) else str(value)

    processor = fact("gpu") if last.get("device") == "gpu" else ""
    said = [fact("board"), processor or ("" if fact("board") else fact("cpu"))]
    memory = last.get("env_memory_bytes")
    said += [f"{memory / 2**30:.0f} GB of memory"] if isinstance(memory, (int, float)) and memory == memory and memory else []
    for backend in sorted(set(part["backend"].dropna())):
        package = PACKAGES.get(str(backend), "")
        said += [f"{SPELT[str(backend)]} {fact('frameworks_' + package)}"] if package and fact(f"frameworks_{package}") else []
    said += [f"power mode {fact('power_mode')}"] if fact("power_mode") else []
    if isinstance(last["started_at"], str) and last["started_at"][:4].isdigit():
        day = datetime.fromisoformat(last["started_at"].replace("Z", "+00:00"))
        said.append(f"measured {day.day} {day:%B %Y}")
    processes = part["n_replicates"].dropna()
    processes = processes[processes > 0]
    if len(processes):
        usual = int(processes.mode().iloc[0])
        said.append("one process per cell" if usual == 1 else f"{usual} processes per cell")
    sources = sorted(set(part["source"].dropna()) - {"records"})
    said += [f"imported from {', '.join(sources)}"] if sources else []
    return " · ".join(filter(None, said)) or "an unnamed machine"


def trust(part: pd.DataFrame, good: Sequence[Entry], floors: Sequence[Floor]) -> tuple[tuple[int, int, int], str]:
    """(clean, with a reservation, left out) of one device's entries of one request in flight, and the same in words with the noise floor."""
    cells = latest(part[part["role"] == "cell"])
    cells = cells[cells["scenario"].ne("throughput")]
    clean = sum(row.trust == "clean" for row in good)
    out, doubted = len(cells) - len(good), len(good) - clean
    noun = "cell" if len(cells) == 1 else "cells"
    said = (
        [f"{clean:,} of {len(cells):,} {noun} clean"]
        if clean < len(cells) or not len(cells)
        else [f"all {clean:,} cells are clean" if clean > 1 else "the only cell is clean"]
    )
    said += [f"{doubted:,} with a reservation"] if doubted else []
    said += [f"{out:,} left out"] if out else []
    imported = good and all(row.trust == "imported" for row in good)
    if imported and not out:
        said = [
            f"all {len(good):,} cells are imported, and stand as their source gives them"
            if len(good) > 1
            else "the only cell is imported, and stands as its source gives it"
        ]
    text = ", ".join(said)
    noise = "" if imported else _noise(part, floors)
    has = part[part["top1"].notna()]
    published = len(has) and "measured" not in set(has["accuracy_source"].dropna())
    accuracy = f"Top-1 is {'its source’s' if imported else 'published'}, of {_seen(part).data}, not measured here." if published else ""
    return (clean, doubted, out), " ".join(filter(None, [text[:1].upper() + text[1:] + ".", noise, accuracy]))


def _noise(part: pd.DataFrame, floors: Sequence[Floor]) -> str:
    hosts = set(part["host"].dropna().astype(str))
    known = [floor for floor in floors if floor.host in hosts]
    if not known:
        return "The noise floor of this host is unknown; dyno noise measures it."
    return f"Noise floor of this host: two identical sweeps differ by less than {100 * np.expm1(known[0].largest):.1f} % in 95 % of cells."


def table(pool: Sequence[Entry], limits: Limits, taken: Entry | None) -> str:
    """The frontier's networks that meet the limits, most accurate first; all of the frontier where none does."""
    if not pool:
        return ""
    shown = choices_of(pool, limits)
    per = "" if limits.batch else " per image"
    heads = [("Top-1", "n"), (f"ms{per} (95 %)", "n"), ("of the limit", ""), ("images/s", "n"), ("MiB", "n"), ("mJ", "n"), ("with", "w"), ("trust", "w")]  # fmt: skip
    known = [any(row.top1 is not None for row in shown), True, limits.ms is not None, True, any(row.mib is not None for row in shown),
             any(row.mj is not None for row in shown), True, True]  # fmt: skip
    head = "".join(
        f'<th scope="col"{f" class={css}" if css else ""}>{escape(name)}</th>'
        for name, css in compress([("network", ""), *heads], [True, *known])
    )
    body = "".join(_row(row, limits, row is taken, heads, known) for row in shown)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def choices_of(pool: Sequence[Entry], limits: Limits) -> list[Entry]:
    """What the table shows of a pool (fastest first): measured networks, then predicted ones, each most accurate first."""
    measured = frontier([row for row in pool if row.measured])
    on = measured + [row for row in frontier(pool) if not row.measured]
    good = [row for row in on if limits.meets(row)]
    shown = good or on or list(pool)
    return sorted(shown, key=lambda row: (not row.measured, -(row.top1 or 0), -row.rate))


def _row(row: Entry, limits: Limits, taken: bool, heads: Sequence[tuple[str, str]], known: Sequence[bool]) -> str:
    share = 1 if limits.batch else row.batch
    interval = f" <small>{number(row.low / share)}–{number(row.high / share)}</small>" if row.low and row.high else ""
    interval = f" <small>{row.heat}</small>" if row.heat == "sustained" else interval
    used = min(100.0, 100 * row.ms / share / limits.ms) if limits.ms else 0.0
    tag = f' title="{escape(row.tag)}"' if row.tag else ""
    said = [
        f"<span{tag}>{row.top1:.1f} %</span>" if row.top1 is not None else "—", number(row.ms / share) + interval,
        f'<span class="meter"><i style="width:{used:.0f}%"></i></span>', number(row.rate), number(row.mib), number(row.mj), escape(row.backend),
        _chip(row, limits),
    ]  # fmt: skip
    cells = "".join(
        f"<td{f' class={css!r}' if css else ''}>{text}</td>" for text, (_, css) in compress(zip(said, heads, strict=True), known)
    )
    dot = f'<i class="dot{"" if row.measured else " hollow"}" style="--c:{styles.family(row.family)[0]}"></i>'
    name = f'<th scope="row">{dot}{escape(row.network)}{_weights(row)}</th>'
    return f'<tr{" class=taken" if taken else ""} data-n="{escape(row.network)}">{name}{cells}</tr>'


def _weights(row: Entry) -> str:
    """The tag of the weights that reach this Top-1, small, beside the name."""
    return f" <small>{escape(row.tag)}</small>" if row.tag else ""


def _chip(row: Entry, limits: Limits) -> str:
    """What to keep in mind of a row; of a prediction its chance to meet the limits."""
    if row.measured:
        return f'<span class="chip {"clean" if row.trust == "clean" else "doubt"}" title="{escape(row.trust)}">{escape(row.trust)}</span>'
    sure = f"{sure_of(row, limits)} sure" if asked(limits) else "predicted"
    return f'<span class="chip guess" title="predicted, with its 90 % interval">{sure}</span>'


def number(value: float | None) -> str:
    """Three significant digits, a dash for what is unknown."""
    return "—" if value is None else significant(value, 3)


def commands(row: Entry | None) -> tuple[str, str] | None:
    """How to measure this cell again, and how to get its file; none for imported rows."""
    if row is None or row.trust.startswith("imported"):  # nobody's images or weights are at hand for these
        return None
    cell = {"model": row.model, "backend": row.framework, "precision": row.precision, "batch_size": row.batch}
    said = " ".join(f"--only {shlex.quote(f'{name}={value}')}" for name, value in cell.items())
    return f"dyno run {said}", f"dyno export {said}"


def data(frame: pd.DataFrame, predicted: Sequence[Entry] = ()) -> dict[str, Any]:
    """What the script chooses from: for each device its entries by column, and each family's colour."""
    rows = [*entries(frame), *predicted]
    out: dict[str, Any] = {
        "words": [],  # of all columns, once each: a network stands on several devices
        "devices": {},
        "colours": {name: styles.family(name)[0] for name in {row.family for row in rows}},
    }
    words: dict[str, int] = {}
    for device in dict.fromkeys(row.device for row in rows):
        mine = [row for row in rows if row.device == device]
        out["devices"][device] = {name: column([getattr(row, name) for row in mine], words) for name in FIELDS}
    return out | {"words": list(words)}


def column(values: list[Any], words: dict[str, int]) -> Any:
    """Values of a field: numbers to six digits as they are, words as their places among all words (which grow), one value for all once."""
    short = [float(f"{v:.6g}") if isinstance(v, float) else v for v in values]
    short = [int(v) if isinstance(v, float) and v.is_integer() else v for v in short]
    if len(set(short)) == 1:
        return {"w": short[0], "n": len(short)}
    if all(isinstance(v, str) for v in short):
        return {"i": [words.setdefault(str(v), len(words)) for v in short]}
    return short


def unpacked(held: dict[str, Any], device: str) -> list[Entry]:
    """The entries of a device from what `data` holds."""
    columns, words = held["devices"][device], held["words"]
    lists = [c if isinstance(c, list) else [words[at] for at in c["i"]] if "i" in c else [c["w"]] * c["n"] for c in columns.values()]
    return [Entry(device=device, **dict(zip(columns, values, strict=True))) for values in zip(*lists, strict=True)]


def touched(device: Device) -> str:
    """Whether a reservation touches the answer; empty where there is none, or no answer."""
    take = device.verdict.take
    if take is None or (take.trust == "clean" and not device.counts[1]):
        return ""
    return "No reservation touches this answer." if take.trust == "clean" else f"This answer carries one: {take.trust}."


def choices(frame: pd.DataFrame) -> pd.DataFrame:
    """The frontier of every device at its smallest common batch size, as the first screen shows it."""
    rows = entries(frame)
    found = []
    for name in dict.fromkeys(row.device for row in rows):
        mine = [row for row in rows if row.device == name]
        found += frontier(fastest(mine, batches(mine)[0]))
    return pd.DataFrame([asdict(row) for row in found], columns=[field.name for field in dataclass_fields(Entry)])
