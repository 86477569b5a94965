"""Plausibility: what in a frame can't be right, or can't be compared. The report lists it first; the checks are in analysis/checks."""

import pandas as pd

from analysis import checks, registry
from analysis.checks import base

COLUMNS = ["check", "severity", "cell_id", "message"]
SEVERITIES = base.SEVERITIES


def findings(frame: pd.DataFrame) -> pd.DataFrame:
    """All findings, the worst first: check, severity (error, warning, note), cell_id (of the cell or of one of them), message."""
    cells = base.cells_of(frame)
    modules = [registry.load(checks, name) for name in registry.names(checks)] if len(cells) else []
    rows = [(module.TITLE, *finding) for module in modules for finding in module.find(cells)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.sort_values("severity", key=lambda severity: severity.map(SEVERITIES.index), kind="stable", ignore_index=True)
