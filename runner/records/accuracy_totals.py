"""What accuracy records add up to: hits per network and data set, as shares with their intervals."""

import json
from dataclasses import dataclass
from typing import Dict, Optional

from runner.records import file as record_file
from runner.records.cell import cell_from

Z95 = 1.959963984540054


def wilson(hits, images, z=Z95):
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
    status: str = "ok"
    reason: Optional[str] = None

    def plus(self, line):
        """With one more record; a part that does not begin where the last one ended (as two hosts' files joined) is left out."""
        if line["status"] != "ok":
            return Totals(**dict(vars(self), status=line["status"], reason=line["reason"]))
        part = line["accuracy"]
        if part["first"] != self.end:
            return self
        added = {name: getattr(self, name) + part[name] for name in ("images", "top1", "unreadable", "not_finite")}
        top5 = None if part["top5"] is None else (self.top5 or 0) + part["top5"]
        return Totals(part["last"], top5=top5, unreadable_first=self.unreadable_first or part["unreadable_first"], **added)


def identity(cell, network, data_id, prepare):
    """What parts must share to be added up. ``prepare`` is a Preprocessing as a dict."""
    return cell._replace(batch_size=0, scenario="latency"), network, data_id, json.dumps(prepare, sort_keys=True)


def history(path, refuse_newer=False):
    """(Totals by identity, warnings) of a record file."""
    totals: Dict[tuple, Totals] = {}
    bad = other = 0
    for one in record_file.scan(path) if record_file.is_readable(path) else ():
        if refuse_newer and one.newer:
            record_file.refuse(path, one.newer)
        bad, other, line = bad + one.is_bad, other + one.is_other, one.line
        if line is not None and line.get("kind") == "accuracy":
            try:
                part = line["accuracy"]
                key = identity(cell_from(line["cell"]), part["network"], part["data_id"], part["preprocessing"])
                totals[key] = totals.get(key, Totals()).plus(line)
            except (KeyError, TypeError, AttributeError):
                continue
    return totals, record_file.warnings(path, bad, other)


def summary(cell, totals):
    """What is known of a cell, shares with their 95 % interval: a dict of plain values."""
    row = dict(cell.as_dict(), status=totals.status, reason=totals.reason, images=totals.images, unreadable=totals.unreadable)
    row.update(unreadable_first=totals.unreadable_first, not_finite=totals.not_finite, top1=None, top5=None)
    if totals.images:
        for name in ("top1", "top5"):
            found = getattr(totals, name)
            if found is not None:
                low, high = wilson(found, totals.images)
                row[name] = {"share": found / float(totals.images), "low": max(0.0, low), "high": min(1.0, high), "hits": found}
    return row


def sentence(row):
    """One line of a summary for people."""
    shown = ["%s %s" % (label, _percent(row[name])) for label, name in (("Top-1", "top1"), ("Top-5", "top5")) if row[name]]
    shown.append("%d images" % row["images"])
    if row["unreadable"]:
        shown.append("%d can't be read, the first is %s" % (row["unreadable"], row["unreadable_first"]))
    if row["not_finite"]:
        shown.append("%d outputs are no numbers" % row["not_finite"])
    if row["status"] != "ok":
        shown.append("%s: %s" % (row["status"], row["reason"]))
    return "%s on %s %s %s %dpx: %s" % (row["model"], row["backend"], row["device"], row["precision"], row["input_px"], ", ".join(shown))


def _percent(share):
    return "%.2f %% (%.2f to %.2f)" % (100 * share["share"], 100 * share["low"], 100 * share["high"])
