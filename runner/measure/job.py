"""What is asked of a worker."""

from dataclasses import asdict, dataclass
from typing import Any, Dict, Optional

from runner.networks.spec import ModelSpec
from runner.plan.protocol import Protocol
from runner.records.cell import Cell, cell_from

MEASURE, PREPARE, ACCURACY, PROFILE = "measure", "prepare", "accuracy", "profile"


@dataclass(frozen=True)
class Count:
    """Which images of which data set the hits are counted of; ``preprocessing`` is a Preprocessing as a dict."""

    path: str
    format: str
    id: str
    first: int
    last: int
    preprocessing: Dict[str, Any]
    classes: Optional[str] = None


@dataclass(frozen=True)
class Request:
    """One job for a worker, as it travels: ``kind`` is one of MEASURE, PREPARE, ACCURACY and PROFILE."""

    kind: str
    cell: Cell
    spec: ModelSpec
    protocol: Protocol
    cache_dir: str
    threads: int
    needs: Optional[str] = None  # PREPARE: the files to make, "onnx" or "torch"
    sustained_s: float = 0.0  # MEASURE: run on end for so long after the samples
    window_s: float = 0.0  # MEASURE: go on until the sensors beside have watched for so long
    count: Optional[Count] = None  # ACCURACY

    def as_dict(self) -> Dict[str, Any]:
        """Ready for JSON."""
        plain = dict(vars(self), cell=self.cell.as_dict(), spec=asdict(self.spec), protocol=self.protocol.as_dict())
        return dict(plain, count=asdict(self.count) if self.count else None)


def request_from(plain: Dict[str, Any]) -> Request:
    """The Request that as_dict() was made of."""
    nested = {"cell": cell_from(plain["cell"]), "spec": ModelSpec(**plain["spec"]), "protocol": Protocol(**plain["protocol"])}
    return Request(**dict(plain, count=Count(**plain["count"]) if plain["count"] else None, **nested))
