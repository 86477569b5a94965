"""A replicate: what one measuring process of a cell gave, as it stands in a record's ``replicates[]``."""

from dataclasses import dataclass, field, fields
from typing import Any, Dict, List, Mapping, Optional, Tuple


@dataclass(frozen=True)
class Replicate:
    """One measuring process; runner.records.schema says what each field means, and in which unit."""

    samples_s: List[float]
    contended: bool = False
    contention: Dict[str, Any] = field(default_factory=dict)
    window_batches: int = 1
    in_flight: int = 1
    watched_images: int = 0
    warmup_samples_s: List[float] = field(default_factory=list)
    warmup_verdict: str = ""
    stop: str = ""
    spans: Dict[str, Any] = field(default_factory=dict)
    load_cached: bool = False
    device_samples_s: List[float] = field(default_factory=list)
    executed: Dict[str, Any] = field(default_factory=dict)
    sensors: Dict[str, Any] = field(default_factory=dict)
    sustained: Optional[Dict[str, Any]] = None
    gpu_memory: Optional[Dict[str, Any]] = None
    # What the run adds to what the process gave; a record of schema 1 has none of it.
    run: Optional[str] = None
    environment: Optional[str] = None
    round: Optional[int] = None
    order: int = 0
    started_at: Optional[str] = None
    wall_s: Optional[float] = None
    more: Dict[str, Any] = field(default_factory=dict)  # what a later Dyno of the same schema wrote beside

    @property
    def key(self) -> Tuple[Optional[str], Optional[str], int]:
        """What no two replicates of a record file share: the run, its environment line, and the place in it."""
        return self.run, self.environment, self.order

    def as_dict(self) -> Dict[str, Any]:
        """The replicate as it stands in a record."""
        known = {name: value for name, value in vars(self).items() if value is not None and name != "more"}
        return dict(self.more, **known)


KNOWN = frozenset(one.name for one in fields(Replicate)) - {"more"}


def replicate_from(plain: Mapping[str, Any]) -> Replicate:
    """The Replicate of a record's entry, of whatever version."""
    known = {name: value for name, value in plain.items() if name in KNOWN and value is not None}
    more = {name: value for name, value in plain.items() if name not in KNOWN}
    return Replicate(**dict({"samples_s": []}, **known), more=more)


def replicates_of(line: Mapping[str, Any]) -> List[Replicate]:
    """The replicates of a record; none where it has none."""
    return [replicate_from(one) for one in line.get("replicates") or ()]
