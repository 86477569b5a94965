"""What accuracy records add up to: hits per network and data set, as shares with their intervals."""

import json
import math
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from runner.records import file as record_file
from runner.records.cell import Cell, cell_from

Z95 = 1.959963984540054


def wilson(hits: Any, images: Any, z: float = Z95) -> Tuple[Any, Any]:
    """Wilson score interval (Wilson 1927) of a share of hits, numbers or arrays: (low, high), 0 to 1 but for rounding."""
    share, scaled = hits / (1.0 * images), z * z / images
    centre, half = share + scaled / 2, (scaled * share * (1 - share) + scaled * scaled / 4) ** 0.5
    return (centre - half) / (1 + scaled), (centre + half) / (1 + scaled)


@dataclass(frozen=True)
class Totals:
    """What the records hold of one network and data set: hits among ``images``, of which the first ``end`` of the data set were tried."""

    end: int = 0
    images: int = 0
    top1: int = 0
    top5: Optional[int] = None
    unreadable: int = 0
    unreadable_first: Optional[str] = None
    not_finite: int = 0
    hits: Optional[str] = ""  # a 1 or 0 for each image that was tried; None where the record doesn't say
    calibration: Optional[str] = None  # what int8's scales were chosen on
    status: str = "ok"
    reason: Optional[str] = None

    def plus(self, line: Dict[str, Any]) -> "Totals":
        """With one more record; a part that does not begin where the last one ended (as two hosts' files joined) is left out."""
        if line["status"] != "ok":
            return Totals(**dict(vars(self), status=line["status"], reason=line["reason"]))
        part = line["accuracy"]
        if part["first"] != self.end:
            return self
        added = {name: getattr(self, name) + part[name] for name in ("images", "top1", "unreadable", "not_finite")}
        top5 = None if part["top5"] is None else (self.top5 or 0) + part["top5"]
        tried = part["last"] - part["first"]
        hits = None if self.hits is None or not part.get("hits") else self.hits + _unpacked(part["hits"], tried)
        added.update(hits=hits, calibration=(part.get("executed") or {}).get("calibration") or self.calibration)
        return Totals(part["last"], top5=top5, unreadable_first=self.unreadable_first or part["unreadable_first"], **added)


def _unpacked(digits: str, count: int) -> str:
    """A bitmap's bits as text."""
    return bin(int("1" + digits, 16))[3 : 3 + count]


@dataclass(frozen=True)
class Paired:
    """One network in two precisions on the same images: hits that the second lost and won, the change of Top-1 with its 95 % interval, McNemar's p."""

    images: int
    lost: int
    won: int
    change: float
    low: float
    high: float
    p: float


def paired(before: Totals, after: Totals) -> Optional[Paired]:
    """The Paired of two Totals of one data set, over the images that both tried; None where one doesn't say which it hit."""
    if not before.hits or not after.hits:
        return None
    pairs = list(zip(before.hits, after.hits))
    lost, won, n = pairs.count(("1", "0")), pairs.count(("0", "1")), len(pairs)
    # Agresti and Min 2005: half a pair added to each of the four kinds
    total, difference, moved = n + 2.0, won - lost, won + lost + 1.0
    half = Z95 * math.sqrt(max(0.0, moved - difference * difference / total)) / total
    middle = difference / total
    return Paired(n, lost, won, difference / float(n), middle - half, middle + half, mcnemar(lost, won))


def mcnemar(lost: int, won: int) -> float:
    """Exact two-sided p that hits are as often lost as won (McNemar 1947): the binomial test of the pairs that differ."""
    n, fewer = lost + won, min(lost, won)
    logs = [math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2) for k in range(fewer + 1)]
    return min(1.0, 2 * math.fsum(math.exp(value) for value in logs))


def against_fp32(counted: List[Tuple[Cell, Totals]]) -> Dict[Cell, Tuple[Cell, Paired]]:
    """(the fp32 cell, the Paired) of each cell in a coarser precision whose network was counted in fp32 too, in the same backend if it can be."""
    found: Dict[Cell, Tuple[Cell, Paired]] = {}
    for cell, totals in counted:
        same = [(one, own) for one, own in counted if one.precision == "fp32" and (one.model, one.input_px) == (cell.model, cell.input_px)]
        same.sort(key=lambda pair: (pair[0].backend != cell.backend, pair[0].device != cell.device, pair[0].backend))
        for one, own in same[:1] if cell.precision != "fp32" else []:
            pair = paired(own, totals)
            if pair:
                found[cell] = one, pair
    return found


def key_of(cell: Cell, network: str, data_id: str, prepare: Optional[Dict[str, Any]]) -> Tuple[Any, ...]:
    """What parts must share to be added up. ``prepare`` is a Preprocessing as a dict."""
    return cell._replace(batch_size=0, scenario="latency"), network, data_id, json.dumps(prepare, sort_keys=True)


def history(path: str, refuse_newer: bool = False) -> Tuple[Dict[Tuple[Any, ...], Totals], List[str]]:
    """(Totals by key, warnings) of a record file."""
    totals: Dict[Tuple[Any, ...], Totals] = {}
    bad = other = 0
    for one in record_file.scan(path) if record_file.is_readable(path) else ():
        if refuse_newer and one.newer:
            record_file.refuse(path, one.newer)
        bad, other, line = bad + one.is_bad, other + one.is_other, one.line
        if line is not None and line.get("kind") == "accuracy":
            try:
                part = line["accuracy"]
                key = key_of(cell_from(line["cell"]), part["network"], part["data_id"], part["preprocessing"])
                totals[key] = totals.get(key, Totals()).plus(line)
            except (KeyError, TypeError, ValueError, AttributeError):
                continue
    return totals, record_file.warnings(path, bad, other)


def summary(cell: Cell, totals: Totals, against: Optional[Tuple[Cell, Paired]] = None) -> Dict[str, Any]:
    """What is known of a cell, shares with their 95 % interval: a dict of plain values. ``against`` is that of ``against_fp32``."""
    row = dict(cell.as_dict(), status=totals.status, reason=totals.reason, images=totals.images, unreadable=totals.unreadable)
    row.update(unreadable_first=totals.unreadable_first, not_finite=totals.not_finite, top1=None, top5=None)
    row.update(calibration=totals.calibration, against_fp32=None)
    if against:
        row["against_fp32"] = dict(vars(against[1]), backend=against[0].backend)
    if totals.images:
        for name in ("top1", "top5"):
            found = getattr(totals, name)
            if found is not None:
                low, high = wilson(found, totals.images)
                row[name] = {"share": found / float(totals.images), "low": max(0.0, low), "high": min(1.0, high), "hits": found}
    return row


def sentence(row: Dict[str, Any]) -> str:
    """One line of a summary for people."""
    shown = ["%s %s" % (label, _percent(row[name])) for label, name in (("Top-1", "top1"), ("Top-5", "top5")) if row[name]]
    shown.append("%d images" % row["images"])
    if "synthetic" in (row.get("calibration") or ""):
        shown.append("calibrated on synthetic images, which costs accuracy: give protocol.calibration_images")
    if row["unreadable"]:
        shown.append("%d can't be read, the first is %s" % (row["unreadable"], row["unreadable_first"]))
    if row["not_finite"]:
        shown.append("%d outputs are not numbers" % row["not_finite"])
    if row["status"] != "ok":
        shown.append("%s: %s" % (row["status"], row["reason"]))
    return "%s on %s %s %s %dpx: %s" % (row["model"], row["backend"], row["device"], row["precision"], row["input_px"], ", ".join(shown))


def comparison(cell: Cell, base: Cell, pair: Paired) -> str:
    """One line of a Paired for people."""
    return "%s on %s %s %s %dpx against fp32 in %s: %+.2f points (%+.2f to %+.2f; %d lost and %d won of %d, McNemar p = %.2g)" % (
        (cell.model, cell.backend, cell.device, cell.precision, cell.input_px, base.backend)
        + (100 * pair.change, 100 * pair.low, 100 * pair.high, pair.lost, pair.won, pair.images, pair.p)
    )


def _percent(share: Dict[str, Any]) -> str:
    return "%.2f %% (%.2f to %.2f)" % (100 * share["share"], 100 * share["low"], 100 * share["high"])
