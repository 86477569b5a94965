"""Readings of the sensors of a cell, as the frame's memory, energy and power columns.

A sensor's readings lie in the record under its name, as numbers by name; a sensor that is not there is null, or has only a reason.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

# Column, and the readings it is made from: the first that is there counts. MiB as it is customary for memory.
MEMORY_BYTES = ("peak_above_baseline_bytes", "peak_delta_bytes", "above_baseline_bytes")
MEMORY_MB = ("peak_above_baseline_mb", "above_baseline_mb", "memory_mb")
ENERGY = ("energy_j_per_image", "energy_per_image_j")
POWER = ("power_w", "mean_power_w", "mean_w")


def readings(replicates: Sequence[dict[str, Any]], seconds_per_image: float) -> dict[str, float]:
    """memory_mb, energy_j (per image) and power_w: medians over replicates; nothing for what no sensor read.

    seconds_per_image turns power into energy where a sensor reads power alone.
    """
    found: dict[str, list[float]] = {}
    for sensors in replicates:
        memory = _first(sensors, MEMORY_MB)
        if memory is None and (size := _first(sensors, MEMORY_BYTES)) is not None:
            memory = size / 2**20
        power = _first(sensors, POWER)
        energy = _first(sensors, ENERGY)
        if energy is None and power is not None:
            energy = power * seconds_per_image
        for name, value in (("memory_mb", memory), ("power_w", power), ("energy_j", energy)):
            if value is not None:
                found.setdefault(name, []).append(value)
    return {name: float(np.median(values)) for name, values in found.items()}


def _first(sensors: dict[str, Any], names: Sequence[str]) -> float | None:
    for name in names:
        for readings_ in sensors.values():
            value = readings_.get(name) if isinstance(readings_, dict) else None
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                return float(value)
    return None
