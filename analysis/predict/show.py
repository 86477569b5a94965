"""A prediction in words and numbers, for the terminal."""

from analysis.frame.metrics import MILLI, significant
from analysis.predict.estimate import Quantity, Report

# name: label, unit, factor from SI to it
HUMAN = {
    "latency_s": ("latency", "ms", MILLI),
    "throughput": ("throughput", "images/s", 1.0),
    "memory_mb": ("memory", "MiB", 1.0),
    "energy_j": ("energy", "J/image", 1.0),
}


def said(name: str, value: float) -> str:
    """A quantity with its unit; Top-1 in percent."""
    if name == "top1":
        return f"{value:.1f} %"
    _, unit, factor = HUMAN[name]
    return f"{significant(factor * value)} {unit}"


def text(report: Report) -> str:
    """The whole report, a line per quantity and then what it rests on."""
    lines = [f"{report.model} at {report.px} px, batch {report.batch_size}, on {report.setup}", ""]
    lines += [f"{'':12}{'':>10}  {'90 % interval':>22}  "]
    lines += [_line(q) for q in report.quantities]
    lines += [f"{HUMAN[name][0]:12}{'unknown':>10}  {reason}" for name, reason in report.missing.items()]
    lines += ["", f"graph from  {report.graph_from}"]
    for q in report.quantities:
        if q.name == "throughput":
            continue
        lines.append(f"{HUMAN[q.name][0]:12}from {q.learnt_from}")
        if q.errors:
            left = "; ".join(
                f"{100 * error:.1f} % with {what} left out"
                for error, what in ((q.errors.get("one_out"), "one network"), (q.errors.get("family_out"), "its family"))
                if error is not None
            )
            lines.append(f"{'':12}median error {left}; interval by {q.basis}")
    notes = dict.fromkeys(note for q in report.quantities for note in q.extrapolates)
    lines += [f"extrapolates: {note}" for note in notes] or ["extrapolates: no"]
    return "\n".join(lines)


def _line(q: Quantity) -> str:
    label, unit, factor = HUMAN[q.name]
    known = q.low < q.value or q.high > q.value  # one replicate says nothing of its spread
    interval = f"{significant(factor * q.low)} to {significant(factor * q.high)}" if known else "unknown"
    return f"{label:12}{significant(factor * q.value):>10}  {interval:>22}  {unit}  ({q.kind})"
