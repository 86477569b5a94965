"""The protocol: how a matrix says that its cells are measured, with the limits of each value."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Dict, Tuple


@dataclass(frozen=True)
class Protocol:
    """How cells are measured; the record's ``protocol``."""

    seed: int = 0  # of weights, inputs and the order in which `dyno plan` lists cells
    replicates: int = 3  # measuring processes per cell; from 3 on more are added while they disagree
    max_replicates: int = 5  # until there are so many
    process_interval: float = 0.05  # half-width of the 95 % interval of the median between processes that is narrow enough
    warmup_min_s: float = 0.1
    warmup_max_s: float = 5.0
    min_samples: int = 10
    max_samples: int = 2000
    min_time_s: float = 0.5
    max_time_s: float = 10.0  # per replicate; min_samples come first
    interval: float = 0.01  # half-width of the median's 95 % interval that ends sampling
    timeout_s: float = 600.0  # per measuring process
    contention_limit: float = 0.05  # share of our CPUs that others may take; half of the time that our threads may wait
    contention_retries: int = 2  # replicates measured again per cell
    quiet_wait_s: float = 10.0
    cooldown_max_s: float = 0.0  # wait before each replicate for the temperature at the run's start
    weights: str = "random"
    threads: str = "cores"  # one a physical core, as the frameworks do by themselves; or logical: one a usable CPU
    calibration_images: str = ""  # folder of images for int8; without one they are seeded and synthetic
    profile: bool = False  # after a cell, in a process of its own: where its time goes, by operator
    anchor_from: int = 8  # runs of at least so many cells repeat an anchor cell; 0: never
    cache_limit_gb: float = 40.0

    def as_dict(self) -> Dict[str, Any]:
        return asdict(self)


CHOICES: Dict[str, Tuple[str, ...]] = {"weights": ("random", "pretrained"), "threads": ("cores", "logical")}

KINDS: Dict[str, Any] = {field.name: field.type for field in fields(Protocol)}

# name: (smallest, largest); a text has none
LIMITS: Dict[str, Tuple[float, float]] = {
    "seed": (0, 2**31 - 1),
    "replicates": (1, 100),
    "max_replicates": (1, 100),
    "process_interval": (0, 1),
    "warmup_min_s": (0, 3600),
    "warmup_max_s": (0, 3600),
    "min_samples": (1, 10**6),
    "max_samples": (1, 10**6),
    "min_time_s": (0, 3600),
    "max_time_s": (0, 86400),
    "interval": (0, 1),
    "timeout_s": (0.1, 86400),
    "contention_limit": (0, 1),
    "contention_retries": (0, 100),
    "quiet_wait_s": (0, 3600),
    "cooldown_max_s": (0, 3600),
    "anchor_from": (0, 10**6),
    "cache_limit_gb": (0, 1e6),
}
