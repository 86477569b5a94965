"""Searches for tests: a task over the catalogue, and frames of what was measured for it."""

import numpy as np
import pandas as pd

from analysis.frame import noise
from analysis.predict import candidates
from analysis.predict.limits import Limits
from analysis.predict.searching import Arm, Task


def a_task(*arms, count=60, limit_s=0.04):
    return Task(
        tuple(candidates.catalogued(min_top1=70)[:count]), arms or (Arm("onnxruntime", "fp32", "cpu"),), Limits(latency_s=limit_s), 1
    )


def measured(task, *cells):
    """A frame of cells: (number of the candidate, seconds, contended, more columns)."""
    rows = [
        dict.fromkeys(noise.COLUMNS, np.nan) | {"role": "cell", "device": "cpu", "scenario": "latency", "batch_size": 1, "status": "ok", "reason": None, "backend": "onnxruntime",
         "precision": "fp32", "model": task.candidates[number].model, "input_px": task.candidates[number].input_px, "latency_s": seconds, "contended": busy,
         "memory_mb": np.nan, "energy_j": np.nan, "parity_max_rel": np.nan, "n_replicates": 1, "noise": np.nan, "cell_id": str(number), "file": "cpu-a",
         "attempt": 1, "source": "records", "platform": "board", "host": "a", "anchor": None, "run": "r", "started_at": "2026-11-27T12:00:00Z", **more}
        for number, seconds, busy, more in cells
    ]  # fmt: skip
    return pd.DataFrame(rows)
