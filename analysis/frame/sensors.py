"""Readings of the sensors of a cell, as the frame's memory, energy and power columns.

On a GPU, memory is what the process holds once warm; the peak on the way there (searches for algorithms take several times as much) has
a column of its own, and so has what other readings say that can't tell the two apart: records before `gpu_memory`, and Jetsons.

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
    "above_idle_j": (("above_idle_j_per_image", 1.0),),
}
METHODS = ("memory_method", "method")


def readings(replicates: Sequence[dict[str, Any]], device: str) -> dict[str, Any]:
    """memory_mb (MiB; above the baseline, on a GPU once warm), memory_peak_mb, memory_sampled_mb, energy_j and above_idle_j (per image) and power_w:
    medians over replicates; memory_method says how the first of them that is there was read."""
    found: dict[str, list[float]] = {}
    out: dict[str, Any] = {}
    for replicate in replicates:
        sensors, gpu_memory = replicate.get("sensors") or {}, replicate.get("gpu_memory") or {}
        for column, name in (("memory_mb", "steady_bytes"), ("memory_peak_mb", "peak_bytes")):
            value = _number(gpu_memory, name)
            if value is not None:
                found.setdefault(column, []).append(value * 2**-20)
                out["memory_method"] = f"steady: {gpu_memory.get('steady_method')}"
        for column, names in READINGS.items():
            for sensor in ORDER.get(device, OTHERS):
                values = sensors.get(sensor)
                if not values:
                    continue
                value = next((v * factor for name, factor in names if (v := _number(values, name)) is not None), None)
                if value is not None:
                    is_sampled = column == "memory_mb" and device == "gpu"
                    if is_sampled and _number(gpu_memory, "steady_bytes") is not None:
                        break
                    found.setdefault("memory_sampled_mb" if is_sampled else column, []).append(value)
                    if column == "memory_mb":
                        out["memory_method"] = next((f"{sensor}: {values[m]}" for m in METHODS if values.get(m)), sensor)
                    break
    return out | {name: statistics.median(values) for name, values in found.items()}


def _number(values: Any, name: str) -> float | None:
    value = values.get(name) if isinstance(values, dict) else None
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
