"""Records of kind `profile`: where a cell's time goes, by group of operators."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from runner.records.cell import cell_from


@dataclass(frozen=True)
class Profile:
    """Seconds per batch of each group of operators, in a process that was watched; `timed_s` is the median where nobody watched, None is unknown."""

    environment: str
    platform: str
    device: str
    backend: str
    precision: str
    model: str
    batch_size: int
    input_px: int
    scenario: str
    method: str
    groups: dict[str, float]
    timed_s: float | None = None


def of_record(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """The fields of a record's Profile; None where the profiling failed. Raises ValueError and its kin where the record is malformed."""
    if record["status"] != "ok":
        return None
    cell, told = cell_from(record["cell"]), record["profile"]
    groups = {str(name): float(group["s"]) for name, group in told["groups"].items()}
    timed = told.get("timed_s")
    if not groups or not all(math.isfinite(s) and s >= 0 for s in groups.values()) or not sum(groups.values()) > 0:
        raise ValueError("a group's time is not a time")
    found = Profile(
        str(record.get("environment")), cell.platform, cell.device, cell.backend, cell.precision, cell.model, int(cell.batch_size), int(cell.input_px),
        cell.scenario, str(told.get("method")), groups, float(timed) if timed else None,
    )  # fmt: skip
    return asdict(found)
