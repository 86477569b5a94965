"""What a network is compiled for, the same in both of OpenVINO's Python APIs."""

from typing import NamedTuple, Optional, Tuple


class Wanted(NamedTuple):
    """``precision`` is OpenVINO's hint (f32, f16, bf16), ``shape`` that of the input; with ``counters`` it reports the time of each operator."""

    path: str
    device: str
    precision: str
    threads: int
    throughput: bool
    cache_dir: Optional[str]
    shape: Tuple[int, ...]
    counters: bool = False
