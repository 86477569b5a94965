"""Readings of the sensors of a cell, as the frame's memory, energy and power columns.

A sensor's readings lie in the record under its name, as numbers by name. Which sensor tells of a cell depends on the device that computed:
the GPU's own for a GPU, the host's for a CPU; what no sensor read stays missing.
"""

import statistics
from collections.abc import Sequence
from typing import Any

ORDER = {"cpu": ("memory", "rapl", "jetson_ina3221"), "gpu": ("nvml", "jetson_ina3221", "memory")}
OTHERS = ("memory", "jetson_ina3221")  # for any other device: what the host gives up for it, and the board's power
READINGS = {
    "memory_mb": (("peak_above_baseline_bytes", 2**-20), ("above_baseline_bytes", 2**-20)),
    "energy_j": (("energy_j_per_image", 1.0),),
    "power_w": (("power_w", 1.0),),
}
METHODS = ("memory_method", "method")


def readings(replicates: Sequence[dict[str, Any]], device: str) -> dict[str, Any]:
    """memory_mb (MiB above baseline), energy_j (per image) and power_w: medians over replicates; memory_method says how memory was read."""
    found: dict[str, list[float]] = {}
    out: dict[str, Any] = {}
    for sensors in replicates:
        for column, names in READINGS.items():
            for sensor in ORDER.get(device, OTHERS):
                values = sensors.get(sensor)
                if not values:
                    continue
                value = next((v * factor for name, factor in names if (v := _number(values, name)) is not None), None)
                if value is not None:
                    found.setdefault(column, []).append(value)
                    if column == "memory_mb":
                        out["memory_method"] = next((f"{sensor}: {values[m]}" for m in METHODS if values.get(m)), sensor)
                    break
    return out | {name: statistics.median(values) for name, values in found.items()}


def _number(values: Any, name: str) -> float | None:
    value = values.get(name) if isinstance(values, dict) else None
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
