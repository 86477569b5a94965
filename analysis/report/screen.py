"""The first screen: verdict, machine, limits, chart, table and trust of each device, as HTML that needs no script, and the data that the script chooses from."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from dataclasses import fields as dataclass_fields
from typing import Any

import pandas as pd

from analysis.charts import _style as styles
from analysis.compare.noise import Floor
from analysis.frame.frame import Merged
from analysis.report import choices as chosen
from analysis.report import plot
from analysis.report import trust as trusted
from analysis.report.entries import Entry, batches, entries, fastest, frontier
from analysis.report.verdict import CAMERA, Limits, Seen, Verdict, decide

FIELDS = ("network", "family", "backend", "precision", "batch", "ms", "low", "high", "p90", "p99", "top1", "mib", "mj", "trust", "model", "px", "framework", "tag", "weights_of", "terms", "timed", "heat", "measured")  # fmt: skip


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
    file_note: str
    batches: list[int]
    precisions: list[str]
    seen: Seen
    off: str = ""  # that this board differs from others of its kind


def devices(merged: Merged, predicted: Sequence[Entry] = (), boards: pd.DataFrame | None = None) -> list[Device]:
    """Every device, the one with most ranked cells first. predicted: entries of networks that were not measured there; boards: as `trust.off` takes them."""
    frame = merged.frame
    rows = [*entries(frame), *predicted]
    names = frame["platform"].value_counts().index
    found = [
        _device(str(name), [row for row in rows if row.device == name], frame[frame["platform"] == name], merged.floors, boards)
        for name in names
    ]
    return sorted(found, key=lambda device: -sum(device.counts[:2]))


def _device(name: str, rows: list[Entry], part: pd.DataFrame, floors: Sequence[Floor], boards: pd.DataFrame | None) -> Device:
    measured = [row for row in rows if row.measured]
    sizes = batches(measured) if measured else [1]
    # Asked for until the reader asks otherwise: what a camera needs, one image at a time.
    limits = Limits(batch=sizes[0], ms=1e3 / CAMERA if sizes[0] < 2 else None, rate=CAMERA if sizes[0] > 1 else None)
    seen = trusted.seen(part)
    verdict = decide(rows, limits, seen) if rows else trusted.nothing(part)
    pool = fastest(rows, limits.batch)
    counts, words = trusted.trust(part, [row for row in rows if row.measured], floors)
    off = "" if boards is None else trusted.off(part, boards)
    words = " ".join(filter(None, [off, words]))
    known = [row for row in pool if row.measured]
    unrated = sum(row.top1 is None for row in known)
    note = ""
    if 0 < unrated < len(known):
        what = f"{unrated:,} of {len(known):,} networks have" if unrated > 1 else f"One of {len(known):,} networks has"
        note = f"{what} no known Top-1 and can't stand in the chart."
    return Device(
        name, trusted.machine(part), verdict, limits, plot.svg(pool, limits, verdict.take), chosen.table(pool, limits, verdict.take), words, counts, note,
        chosen.commands(verdict.take), chosen.file_note(verdict.take), sizes, sorted({row.precision for row in measured}), seen, off,
    )  # fmt: skip


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
    return "No reservation touches this answer." if take.trust == "clean" else f"This answer has a reservation: {take.trust}."


def choices(frame: pd.DataFrame) -> pd.DataFrame:
    """The frontier of every device at its smallest common batch size, as the first screen shows it."""
    rows = entries(frame)
    found = []
    for name in dict.fromkeys(row.device for row in rows):
        mine = [row for row in rows if row.device == name]
        found += frontier(fastest(mine, batches(mine)[0]))
    return pd.DataFrame([asdict(row) for row in found], columns=[field.name for field in dataclass_fields(Entry)])
