"""A row of the self-test, and the verdict on a record. What isn't reached never counts as passed."""

from typing import List, NamedTuple, Optional, Tuple

from runner.measure.labels import parity_limit
from runner.records.cell import Cell
from runner.records.line import Line

NETWORK = "runner.networks.tiny:network"
OK, SKIPPED, WRONG, NOT_REACHED = "ok", "skipped", "wrong", "not reached"
INT8_COSINE = 0.9  # of int8 outputs with fp32's: random weights give 0.90 to 0.995 in three frameworks; outputs that are wrong are near 0


class Row(NamedTuple):
    """One thing that was tried. ``verdict`` is one of the four above; ``detail`` says why, or what was seen."""

    what: str
    verdict: str
    detail: str


def named(cell: Cell) -> str:
    """A cell as a row names it; the tiny network goes without saying."""
    what = "%(backend)s %(precision)s %(scenario)s on %(device)s, batch %(batch_size)d" % cell.as_dict()
    return what if cell.model == NETWORK else "%s, %s" % (cell.model, what)


def judged(line: Line) -> Row:
    """The verdict on a cell's record."""
    cell, what = line.cell, named(line.cell)
    if line.status == "skipped":
        return Row(what, SKIPPED, str(line.reason))
    if line.status != "ok" or not line.replicates:
        return Row(what, WRONG, "expected a measurement: %s" % line.reason)
    ran = line.replicates[-1].executed.get("precision")
    if ran is not None and ran != cell.precision:
        return Row(what, WRONG, "expected %s, but %s was executed" % (cell.precision, ran))
    wrong = wrong_outputs(line)
    if wrong:
        return Row(what, WRONG, wrong)
    return Row(what, OK, "%.3g ms%s" % (1e3 * median_s(line), "" if line.parity else ", outputs not compared"))


def wrong_outputs(line: Line) -> Optional[str]:
    """What is wrong with a record's outputs; None where nothing is, or where they were not compared.

    Rounding to int8 moves single outputs of a network with random weights by a third of the largest; their direction tells whether it works.
    """
    if not line.parity:
        return None
    if line.cell.precision == "int8":
        cosine = line.parity.get("cosine")
        is_near = cosine is not None and cosine >= INT8_COSINE
        return None if is_near else "expected outputs with a cosine of at least %g to the reference's, found %s" % (INT8_COSINE, cosine)
    limit, found = parity_limit(line.cell.precision), line.parity["max_rel"]
    return None if found is not None and found <= limit else "expected outputs within %g of the reference, found %s" % (limit, found)


def median_s(line: Line) -> float:
    """Seconds per batch of a record's last replicate."""
    samples = sorted(line.replicates[-1].samples_s)
    return float(samples[len(samples) // 2])


def compared(what: str, pairs: List[Tuple[str, Optional[float], Optional[float], float]]) -> Row:
    """The verdict on numbers that must agree: (name, found, expected, how far apart they may be, relative)."""
    said, apart = [], False
    for name, found, expected, most in pairs:
        if found is None or not expected:
            return Row(what, WRONG, "expected %s to be told on both sides, found %s and %s" % (name, found, expected))
        apart = apart or abs(found / expected - 1) > most
        said.append("%s %.4g against %.4g (%+.1f %%, %.0f %% allowed)" % (name, found, expected, 100 * (found / expected - 1), 100 * most))
    return Row(what, WRONG if apart else OK, "; ".join(said))
