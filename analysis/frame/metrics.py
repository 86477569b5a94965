"""Metrics: the numbers derived from the frame, in human units. Every axis, heading and tooltip comes from here.

A metric is one decorated function; its name is its column in `table(frame)`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

MILLI, MEBI = 1e3, 2**20
FP32_BYTES = 4


@dataclass(frozen=True)
class Metric:
    """A number per row of the frame: what to call it, its unit, and which direction is better (None: neither)."""

    name: str
    label: str
    unit: str
    better: str | None
    log: bool
    digits: int
    compute: Callable[[pd.DataFrame], pd.Series]

    @property
    def title(self) -> str:
        """Label and unit, as axes and headings say it."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def __call__(self, frame: pd.DataFrame) -> pd.Series:
        return pd.to_numeric(self.compute(frame), errors="coerce")

    def format(self, value: float) -> str:
        """A value as a reader wants it: `digits` significant digits, an em dash where there is none."""
        return "—" if value is None or not np.isfinite(value) else significant(value, self.digits)


METRICS: dict[str, Metric] = {}


def metric(label: str, unit: str = "", better: str | None = None, log: bool = False, digits: int = 3) -> Callable[[Callable], Metric]:
    """Register a function frame -> Series as a metric."""

    def register(compute: Callable[[pd.DataFrame], pd.Series]) -> Metric:
        METRICS[compute.__name__] = Metric(compute.__name__, label, unit, better, log, digits, compute)
        return METRICS[compute.__name__]

    return register


def significant(value: float, digits: int = 3) -> str:
    """A number with that many significant digits, without exponent, thousands grouped: 0.0123, 1.23, 12,300."""
    if value == 0:
        return "0"
    if np.isinf(value):  # a prediction that nothing bounds
        return "∞" if value > 0 else "-∞"
    decimals = max(0, digits - 1 - int(np.floor(np.log10(abs(value)))))
    return f"{round(value, digits - 1 - int(np.floor(np.log10(abs(value))))):,.{decimals}f}"


@metric("Latency", "ms per batch", "lower", log=True)
def latency(frame: pd.DataFrame) -> pd.Series:
    return MILLI * frame["latency_s"]


@metric("Inference time", "ms per image", "lower", log=True)
def time_per_image(frame: pd.DataFrame) -> pd.Series:
    return MILLI * frame["latency_s"] / frame["batch_size"]


@metric("Latency p90", "ms per batch", "lower", log=True)
def latency_p90(frame: pd.DataFrame) -> pd.Series:
    return MILLI * frame["latency_p90_s"]


@metric("Latency p99", "ms per batch", "lower", log=True)
def latency_p99(frame: pd.DataFrame) -> pd.Series:
    return MILLI * frame["latency_p99_s"]


@metric("Throughput", "images/s", "higher", log=True)
def throughput(frame: pd.DataFrame) -> pd.Series:
    return frame["throughput"]


@metric("Load time", "s", "lower", log=True)
def load_time(frame: pd.DataFrame) -> pd.Series:
    return frame["load_s"]


@metric("First latency", "ms", "lower", log=True)
def first_latency(frame: pd.DataFrame) -> pd.Series:
    return MILLI * frame["first_latency_s"]


@metric("Noise", "% of the median", "lower", digits=2)
def noise(frame: pd.DataFrame) -> pd.Series:
    return 100 * frame["noise"]


@metric("CPU taken by others", "%", "lower", digits=2)
def others(frame: pd.DataFrame) -> pd.Series:
    return 100 * frame["others_share"]


@metric("Parameters", "M", "lower", log=True)
def params(frame: pd.DataFrame) -> pd.Series:
    return frame["params_m"]


@metric("Parameters in fp32", "MiB", "lower", log=True)
def params_size(frame: pd.DataFrame) -> pd.Series:
    return frame["params_m"] * 1e6 * FP32_BYTES / MEBI


@metric("Multiply-adds", "GMACs per image", "lower", log=True)
def macs(frame: pd.DataFrame) -> pd.Series:
    return frame["gmacs"]


@metric("Top-1 accuracy", "%", "higher", digits=4)
def top1(frame: pd.DataFrame) -> pd.Series:
    return frame["top1"]


@metric("Top-5 accuracy", "%", "higher", digits=4)
def top5(frame: pd.DataFrame) -> pd.Series:
    return frame["top5"]


@metric("Accuracy density", "Top-1 % per M parameters", "higher", log=True)
def density(frame: pd.DataFrame) -> pd.Series:
    return frame["top1"] / frame["params_m"]


@metric("Memory above baseline", "MiB", "lower", log=True)
def memory(frame: pd.DataFrame) -> pd.Series:
    return frame["memory_mb"]


@metric("Peak memory on the GPU", "MiB", "lower", log=True)
def memory_peak(frame: pd.DataFrame) -> pd.Series:
    return frame["memory_peak_mb"]


@metric("Energy", "mJ per image", "lower", log=True)
def energy(frame: pd.DataFrame) -> pd.Series:
    return MILLI * frame["energy_j"]


@metric("Power", "W", "lower")
def power(frame: pd.DataFrame) -> pd.Series:
    return frame["power_w"]


def table(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with every metric as a column, replacing raw columns of the same name."""
    return frame.assign(**{name: compute(frame) for name, compute in METRICS.items()})
