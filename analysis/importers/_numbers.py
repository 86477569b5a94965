"""Numbers as people write them: decimal points or commas, thousands, units. A number is understood or it is NaN; nothing is guessed."""

import math
import re
from collections.abc import Iterable, Mapping

from analysis.errors import ImporterError

LARGEST = 1e300
LONGEST = 64  # characters of a number with its unit
NUMBER = re.compile(r"([+-]?)([0-9.,'’ \u00a0\u2009\u202f]*[0-9])(?:[eE]([+-]?[0-9]{1,4}))?[ \u00a0]*([^0-9\s].{0,20})?")
SPACES = re.compile(r"[ \u00a0\u2009\u202f'’]")
GROUPED = re.compile(r"[1-9][0-9]{0,2}(?:[ \u00a0\u2009\u202f'’][0-9]{3})+(?:[.,][0-9]+)?")
EXPRESSION = {
    ".": re.compile(r"(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]*)(?:\.[0-9]+)?"),
    ",": re.compile(r"(?:[1-9][0-9]{0,2}(?:\.[0-9]{3})+|[0-9]*)(?:,[0-9]+)?"),
}


def parts(value: object) -> tuple[str, str, str, str] | None:
    """(sign, digits with their marks, exponent, unit) of a cell; None where it is not a number."""
    text = str(value).strip().replace("\u2212", "-")
    match = NUMBER.fullmatch(text) if len(text) <= LONGEST else None
    if not match:
        return None
    sign, digits, exponent, unit = match.groups(default="")
    if SPACES.search(digits):
        if not GROUPED.fullmatch(digits):
            return None
        digits = SPACES.sub("", digits)
    return sign, digits, exponent, unit.strip()


def number(value: object, decimal: str = ".", units: Mapping[str, float] | None = None, factor: float = 1.0) -> float:
    """A finite float of a cell or a word of text times its unit's factor (`factor` without one); NaN where it is none."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) * factor if abs(value) < LARGEST else math.nan  # no measurement is larger, and floats end before ints do
    found = parts(value)
    if found is None or not EXPRESSION[decimal].fullmatch(found[1]):
        return math.nan
    sign, digits, exponent, unit = found
    if unit and unit not in (units or {}):
        return math.nan
    plain = digits.replace("," if decimal == "." else ".", "").replace(",", ".")
    parsed = float(f"{sign}{plain}e{exponent or 0}") * ((units or {})[unit] if unit else factor)
    return parsed if math.isfinite(parsed) else math.nan


def marks(value: object) -> set[str]:
    """The decimal marks with which a cell is a number: both where it has none, or where `1,234` may be either."""
    found = parts(value)
    return {mark for mark, expression in EXPRESSION.items() if expression.fullmatch(found[1])} if found else set()


def decimal_mark(cells: Iterable[object], where: object) -> str:
    """The decimal mark of a table's numbers; an ImporterError where they contradict each other or don't tell."""
    points = commas = doubtful = None
    for cell in cells:
        possible = marks(cell)
        if possible == {"."}:
            points = points or cell
        elif possible == {","}:
            commas = commas or cell
        elif possible and "," in str(cell):
            doubtful = doubtful or cell
    if points and commas:
        raise ImporterError(f"{where}: {points} has a decimal point and {commas} a decimal comma; write all numbers in one way")
    if doubtful and not points and not commas:
        raise ImporterError(f"{where}: {doubtful} may be a decimal comma or thousands; write it without thousands, with a decimal point")
    return "," if commas else "."
