"""The table of the first screen: the networks to choose from, as HTML and as data, and the commands that measure one again and get its file."""

import shlex
from collections.abc import Sequence
from html import escape
from itertools import compress

from analysis.charts import _style as styles
from analysis.frame.metrics import significant
from analysis.report.entries import Entry, frontier
from analysis.report.verdict import Limits, asked, sure_of

UNKNOWN = "licence unknown"  # said of the network that is taken, not of every one


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
    tag = f' title="{escape(", ".join(filter(None, (row.weights_of or row.tag, row.terms))))}"' if row.tag else ""
    said = [
        f"<span{tag}>{row.top1:.1f} %</span>" if row.top1 is not None else "—", number(row.ms / share) + interval,
        f'<span class="meter"><i style="width:{used:.0f}%"></i></span>', number(row.rate), number(row.mib), number(row.mj), escape(row.backend),
        _chip(row, limits),
    ]  # fmt: skip
    cells = "".join(
        f"<td{f' class={css!r}' if css else ''}>{text}</td>" for text, (_, css) in compress(zip(said, heads, strict=True), known)
    )
    dot = f'<i class="dot{"" if row.measured else " hollow"}" style="--c:{styles.family(row.family)[0]}"></i>'
    name = f'<th scope="row">{dot}{escape(row.network).replace("_", "_<wbr>")}{_weights(row)}</th>'
    return f'<tr{" class=taken" if taken else ""} data-n="{escape(row.network)}">{name}{cells}</tr>'


def _weights(row: Entry) -> str:
    """The weights that reach this Top-1, small, beside the name, and what their licence forbids."""
    said = row.tag + ("" if row.terms in ("", UNKNOWN) else f", {row.terms.split(' (')[0]}")
    return f" <small>{escape(said)}</small>" if said else ""


def _chip(row: Entry, limits: Limits) -> str:
    """What to keep in mind of a row; of a prediction its chance to meet the limits."""
    if row.measured:
        return f'<span class="chip {"clean" if row.trust == "clean" else "doubt"}" title="{escape(row.trust)}">{escape(row.trust)}</span>'
    sure = f"{sure_of(row, limits)} sure" if asked(limits) else "predicted"
    return f'<span class="chip guess" title="predicted, with its 90 % interval">{sure}</span>'


def number(value: float | None) -> str:
    """Three significant digits, a dash for what is unknown."""
    return "—" if value is None else significant(value, 3)


def file_note(row: Entry | None) -> str:
    """That the file holds random weights unless the matrix names others; empty where it holds those that reach the Top-1."""
    if row is None or row.timed != "random":
        return ""
    if row.weights_of:
        return f"For trained weights, name it {row.weights_of} in matrix.yaml."
    return f"For trained weights, first set weights: {row.tag} for it in matrix.yaml."


def commands(row: Entry | None) -> tuple[str, str] | None:
    """How to measure this cell again, and how to get its file; none for imported rows."""
    if row is None or row.trust.startswith("imported"):  # nobody's images or weights are at hand for these
        return None
    cell = {"model": row.model, "backend": row.framework, "precision": row.precision, "batch_size": row.batch}
    said = " ".join(f"--only {shlex.quote(f'{name}={value}')}" for name, value in cell.items())
    return f"dyno run {said}", f"dyno export {said}"
