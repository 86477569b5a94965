"""Checks of plausibility: what in a frame can't be right, or can't be compared. The report lists it first.

Every module here has `TITLE` and `find(cells)`, which yields (severity, cell_id, message); see base.py.
"""

import sys

import pandas as pd

from analysis import registry
from analysis.checks import base

COLUMNS = ["check", "severity", "cell_id", "message"]
SEVERITIES = base.SEVERITIES


def findings(frame: pd.DataFrame) -> pd.DataFrame:
    """All findings, the worst first: check, severity (error, warning, note), cell_id (of the cell or of one of them), message."""
    cells, package = base.cells_of(frame), sys.modules[__name__]
    modules = [registry.load(package, name) for name in registry.names(package)] if len(cells) else []
    rows = [(module.TITLE, *finding) for module in modules for finding in module.find(cells)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.sort_values("severity", key=lambda severity: severity.map(SEVERITIES.index), kind="stable", ignore_index=True)
