"""Lines of older schemas as the present one has them: every reader lifts what it reads, here and nowhere else."""

from typing import Any, Dict, Optional

from runner.records import schema
from runner.records.cell import cell_from

NEWEST = 1000  # a version above this is a broken line


def lift(line: Any) -> Optional[Dict[str, Any]]:
    """The line in the present schema; None where its schema is unknown."""
    if not isinstance(line, dict) or type(line.get("schema_version")) is not int:
        return None
    if line["schema_version"] == schema.SCHEMA_VERSION:
        return line
    return _from_1(line) if line["schema_version"] == 1 else None


def is_newer(line: Any) -> bool:
    """Whether a later Dyno wrote the line."""
    version = line.get("schema_version") if isinstance(line, dict) else None
    return type(version) is int and schema.SCHEMA_VERSION < version < NEWEST


def _from_1(line: Dict[str, Any]) -> Dict[str, Any]:
    """Version 1 had no content, which stays unknown; its ids of cells could coincide, so they are made anew."""
    lifted = dict(line, schema_version=schema.SCHEMA_VERSION)
    if line.get("kind") in ("cell", "accuracy"):
        try:
            lifted["cell_id"] = cell_from(line["cell"]).id
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
            pass  # no record of a cell, as its reader will find
    if line.get("kind") == "cell":
        replicates = line.get("replicates")
        lifted.update(content=None, ended="enough", asked=len(replicates) if isinstance(replicates, list) else None)
    return lifted
