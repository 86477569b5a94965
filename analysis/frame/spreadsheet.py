"""Texts that a spreadsheet shows and does not run: a cell that begins like a formula is a formula, wherever the table came from."""

import re

STARTS = "=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20"  # of formulas, as a regular expression's set; the last four are full-width
PATTERN = f"^[ \u00a0]*[{STARTS}]"


def cell(text: str) -> str:
    """The text; with an apostrophe in front, which spreadsheets take for "this is text", where it would run as a formula."""
    return "'" + text if re.match(PATTERN, text) else text
