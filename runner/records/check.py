"""Whether a line read from a record file has the types that the schema gives its fields: a file may come from anywhere."""

import math
import re
from typing import Any, Dict, FrozenSet, Mapping, Optional, Tuple

from runner.records.schema import CELL_FIELDS, FIELDS, STATUSES

LARGEST = 1e18  # of any number: what is beyond is no measurement
LONGEST_S = 1e9
HEX = re.compile(r"^[0-9a-f]+$")
NUMBERS = frozenset((int, float))
TYPES: Dict[str, Tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "object": (dict,), "bool": (bool,), "null": ()}
SAMPLES = frozenset((int, float, type(None)))
GROUP_NUMBERS = ("count", "macs", "bytes", "out")


class Entry:
    """What a field may hold: whether it is a list, the types of its values, the fields inside, and whether only the types of its numbers matter."""

    __slots__ = ("is_list", "types", "inside", "samples")

    def __init__(self) -> None:
        self.is_list = self.samples = False
        self.types: FrozenSet[type] = frozenset((dict,))
        self.inside: Dict[str, "Entry"] = {}


def _schema() -> Dict[str, Entry]:
    """{name: Entry} of a line."""
    tree: Dict[str, Entry] = {}
    for path, kinds, _, _ in FIELDS:
        place = tree
        names = path.split(".")
        for index, name in enumerate(names):
            plain = name.replace("[]", "").replace("{}", "")
            if plain not in place:
                entry = place[plain] = Entry()
                entry.is_list = name.endswith(("[]", "[]{}"))
                if index == len(names) - 1:
                    entry.types = frozenset(kind for word in kinds.split("|") for kind in TYPES[word])
                    entry.samples = entry.is_list and kinds.split("|")[0] == "float"
            place = place[plain].inside
    return tree


SCHEMA = _schema()


def misfit(line: Dict[str, Any], schema: Optional[Dict[str, Entry]] = None) -> Optional[str]:
    """The first field of another type than the schema's, by its name; None when all fit. Fields that are absent or null fit.

    Written for speed: a merge asks it of every line.
    """
    known = SCHEMA if schema is None else schema
    for name, value in line.items():
        entry = known.get(name)
        if value is None or entry is None:
            continue
        if entry.is_list:
            if type(value) is not list:
                return name
            if entry.samples:  # thousands, so all at once
                if not SAMPLES.issuperset(map(type, value)):
                    return name
                continue
            for one in value:
                found = _misfit_of_one(name, one, entry)
                if found:
                    return found
            continue
        kind = type(value)
        if kind not in entry.types or kind in NUMBERS and not abs(value) < LARGEST:  # NaN and infinities are not
            return name
        if kind is dict:
            found = _misfit_of_one(name, value, entry)
            if found:
                return found
    return None


def _misfit_of_one(name: str, value: Any, entry: Entry) -> Optional[str]:
    if type(value) not in entry.types or type(value) in NUMBERS and not abs(value) < LARGEST:
        return name
    if type(value) is not dict:
        return None
    if name == "groups" and not all(_is_group(group) for group in value.values()):
        return name
    return misfit(value, entry.inside) if entry.inside else None


def _is_number(value: Any) -> bool:
    return type(value) in NUMBERS and abs(value) < LARGEST


def _is_group(group: Any) -> bool:
    return isinstance(group, dict) and all(_is_number(group.get(name, 0)) for name in GROUP_NUMBERS)


def is_cell(line: Dict[str, Any]) -> bool:
    """Whether a line is a whole record of a cell: all that going on with a run or judging it needs."""
    if misfit(line):
        return False
    cell, wall_s = line.get("cell") or {}, line.get("wall_s")
    return (
        all(cell.get(name) is not None for name in CELL_FIELDS)
        and line.get("status") in STATUSES
        and all(line.get(name) is not None for name in ("id", "cell_id", "role", "attempt", "quality", "replicates"))
        and wall_s is not None
        and not math.isnan(wall_s)
        and 0 <= wall_s < LONGEST_S
        and all(_is_whole(replicate) for replicate in line["replicates"])
    )


def is_replicate(line: Dict[str, Any]) -> bool:
    """Whether a line is a whole replicate of a cell, fit to be joined with others."""
    if not is_cell(line) or len(line["replicates"]) != 1 or not isinstance(line.get("content"), dict):
        return False
    one = line["replicates"][0]
    needed = ("run", "environment", "order", "started_at", "wall_s", "contended", "samples_s", "warmup_verdict", "contention")
    return all(one.get(name) is not None for name in needed) and bool(one["samples_s"])


def _is_whole(replicate: Optional[Dict[str, Any]]) -> bool:
    spans = replicate.get("spans") if replicate else None
    if replicate is None or spans is None or any(spans.get(name) is None for name in ("process_s", "load_s", "warmup_s", "measure_s")):
        return False
    return all(value is not None and 0 <= value < LONGEST_S for value in replicate.get("samples_s") or ())


# Of an imported row: what it must have, and the largest value (with the least, 0) of each number that has one.
IMPORTED_TEXT = ("platform", "model", "cell_id")
IMPORTED_WHOLE = ("batch_size", "input_px", "complexity_px")
IMPORTED_LIMITS = {"latency_s": LONGEST_S, "batch_size": LARGEST, "top1": 100.0, "top5": 100.0, "top1_low": 100.0, "top1_high": 100.0}
IMPORTED_NUMBERS = ("input_px", "throughput", "params_m", "gmacs", "activations_m", "memory_mb", "energy_j", "power_w", "latency_p90_s", "latency_p99_s",
                    "load_s", "first_latency_s", "in_flight", "accuracy_images", "complexity_px", "noise", "top5_low", "top5_high")  # fmt: skip


def misfit_imported(line: Mapping[str, Any]) -> Optional[str]:
    """The first field of a line of kind ``imported`` that is missing or of another type; None when all fit."""
    row = line.get("row")
    if not isinstance(row, dict) or not isinstance(line.get("id"), str):
        return "row" if isinstance(line.get("id"), str) else "id"
    for name in IMPORTED_TEXT:
        if not isinstance(row.get(name), str):
            return name
    for name in ("latency_s", "batch_size"):
        if not _is_number(row.get(name)) or row[name] <= 0:
            return name
    quality = row.get("quality") or []
    if not isinstance(quality, list) or not all(isinstance(label, str) for label in quality):
        return "quality"
    for name, value in row.items():
        if name in IMPORTED_LIMITS or name in IMPORTED_NUMBERS:
            if value is not None and not (_is_number(value) and 0 <= value <= IMPORTED_LIMITS.get(name, LARGEST)):
                return name
            if name in IMPORTED_WHOLE and value is not None and value != int(value):
                return name
        elif name != "quality" and not isinstance(value, (str, type(None))) and not _is_number(value):
            return name
    return None


def _is_bitmap(digits: Any, bits: int, ones: int) -> bool:
    """Whether hexadecimal digits hold so many bits, of them so many ones, and none beyond."""
    if not isinstance(digits, str) or not HEX.match(digits) or len(digits) != 2 * ((bits + 7) // 8):
        return False
    return bin(int("1" + digits, 16)).count("1") - 1 == ones


def misfit_accuracy(line: Dict[str, Any]) -> Optional[str]:
    """The first field of a line of kind ``accuracy`` that contradicts another, as more hits than images; None when all fit."""
    wrong = misfit(line)
    if wrong:
        return wrong
    part, cell = line.get("accuracy"), line.get("cell")
    if not isinstance(part, dict) or not isinstance(cell, dict) or line.get("status") not in STATUSES:
        return "accuracy" if not isinstance(part, dict) else "cell" if not isinstance(cell, dict) else "status"
    if any(cell.get(name) is None for name in CELL_FIELDS):
        return "cell"
    if line["status"] != "ok":
        return None
    for name in ("first", "last", "images", "unreadable", "not_finite", "top1"):
        if part.get(name) is None or part[name] < 0:
            return name
    for name in ("top1", "top5", "not_finite"):
        if part.get(name) is not None and not 0 <= part[name] <= part["images"]:
            return name
    if part.get("top5") is not None and part["top5"] < part["top1"]:
        return "top5"
    if part.get("hits") is not None and not _is_bitmap(part["hits"], part["last"] - part["first"], part["top1"]):
        return "hits"
    return "last" if part["last"] - part["first"] != part["images"] + part["unreadable"] else None
