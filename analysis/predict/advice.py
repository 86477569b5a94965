"""What is recommended, in words: measured networks first, predicted ones hollow, and what would settle most."""

from collections.abc import Mapping
from typing import Any

from analysis.predict.limits import NAMES
from analysis.predict.recommend import Advice
from analysis.predict.show import said

MARKS = {"measured": "●", "imported": "●", "predicted": "○"}
MOST = 15  # predicted lines without --all
# The beginning of a note on extrapolation -> what a table has room for.
SHORT = (
    ("operators that were never measured", "operators never measured here"),
    ("no network of the family", "family never measured here"),
    ("the family", "family runs oddly elsewhere"),
    ("batch size", "batch size never measured here"),
)
SIZE = "size far from what was measured"


def text(advice: Advice, everything: bool = False) -> str:
    """The advice as a table for the terminal; `everything`: all that meets the limits, not the frontier alone."""
    given = advice.limits.given()
    wanted = ", ".join(f"{NAMES[n]} {'at least' if n == 'top1' else 'at most'} {said(n, v)}" for n, v in given.items()) or "no limits"
    lines = [f"{advice.platform}, batch {advice.batch_size}: {wanted}"]
    if advice.relax:
        count = len(advice.candidates[["model", "input_px"]].drop_duplicates())
        return "\n".join(
            [*lines, f"none of {count} networks (each input size counts) meets this; relax one:", *(f"  {line}" for line in advice.relax)]
        )
    if everything:
        shown, left = advice.fitting, 0
    else:
        predicted = int(advice.shown["kind"].eq("predicted").sum())
        left = max(predicted - MOST, 0)
        shown = advice.shown.head(len(advice.shown) - left)
    names = ["latency_s", *(n for n in ("memory_mb", "energy_j") if n in given)]
    wide = max([len("network"), *(len(_network(row)) for row in shown.to_dict("records"))])
    tags = max([len("weights"), *(len(_weights(row)) for row in shown.to_dict("records"))])
    way = max([len("set-up"), *(len(_way(row)) for row in shown.to_dict("records"))])
    lines.append(
        f"  {'network':{wide}}  {'weights':{tags}}  {'set-up':{way}}  {'Top-1':>5}  "
        + "".join(f"{NAMES[n] + ' (90 %)':>30}" for n in names)
        + "  sure"
    )
    for row in shown.to_dict("records"):
        accuracy = "?" if row["top1"] != row["top1"] else f"{row['top1']:.1f}"
        ranges = "".join(f"{_range(row, n):>30}" for n in names)
        sure = "?" if row["sure"] != row["sure"] else f"{100 * row['sure']:.0f} %"
        note = "; ".join(part for part in (_kind(row), row["heat"], row["terms"], *_short(row["extrapolates"])) if part)
        lines.append(
            f"{MARKS[row['kind']]} {_network(row):{wide}}  {_weights(row):{tags}}  {_way(row):{way}}  {accuracy:>5}  {ranges}  {sure:>4}  {note}".rstrip()
        )
    if left:
        lines.append(f"and {left} more on the predicted frontier; --all shows everything that meets the limits")
    lines.append("● measured  ○ predicted; sure: the chance to meet the limits")
    if advice.settle:
        lines += ["measuring these would settle most:", *(f"  {line}" for line in advice.settle)]
    return "\n".join(lines)


def _kind(row: Mapping[Any, Any]) -> str:
    return "imported" if row["kind"] == "imported" else ""


def _network(row: Mapping[Any, Any]) -> str:
    px = row["input_px"]
    return str(row["model"]) if px == 224 else f"{row['model']} at {px:g} px" if px == px else f"{row['model']} at an unknown size"


def _weights(row: Mapping[Any, Any]) -> str:
    return str(row["weights_of"] or row["weights"])


def _way(row: Mapping[Any, Any]) -> str:
    return f"{row['backend']} {row['precision']}"


def _short(extrapolates: str) -> list[str]:
    """Notes on extrapolation in a few words each."""
    found = [next((short for begins, short in SHORT if note.startswith(begins)), SIZE) for note in extrapolates.split("; ") if note]
    return list(dict.fromkeys(found))


def _range(row: Mapping[Any, Any], name: str) -> str:
    if row[f"{name}_low"] != row[f"{name}_low"]:
        return f"{said(name, row[name])} (spread unknown)"
    low, high = (said(name, row[f"{name}_{end}"]).split()[0] for end in ("low", "high"))
    return f"{said(name, row[name])} ({low} to {high})"
