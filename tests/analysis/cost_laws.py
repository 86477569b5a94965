"""Made-up networks and machines whose cost laws are known, for tests of prediction."""

import numpy as np
import pandas as pd

from analysis.frame import finish
from runner.networks.informative import GROUPS

# Families by the groups they are made of.
FAMILIES = {
    "resnet": ("conv1x1", "conv3x3", "convK", "bn", "elem", "pool", "linear"),
    "vgg": ("conv3x3", "elem", "pool", "linear"),
    "mobilenet": ("conv1x1", "convdw", "bn", "elem", "pool", "linear"),
    "densenet": ("conv1x1", "conv3x3", "convK", "bn", "elem", "copy", "pool", "linear"),
    "resnext": ("conv1x1", "convgrp", "convK", "bn", "elem", "pool", "linear"),
    "vit": ("convK", "linear", "bmm", "ln", "elem", "copy"),
}
ARITHMETIC = ("conv1x1", "conv3x3", "convK", "convgrp", "convdw", "linear", "bmm")
# Seconds per multiply-add, byte and operator of made-up machines; depthwise convolution is slow on all of them.
MACHINES = {"made-up-cpu": (1e-11, 1e-10, 2e-5), "made-up-gpu": (2e-13, 2e-12, 1e-5), "made-up-gpu-2": (1e-13, 1.5e-12, 1e-5)}


def network(family: str, depth: int, width: float, groups: tuple[str, ...] | None = None) -> dict:
    """{"params", "groups"} of a network: `depth` operators of each group, work growing with width squared."""
    out = {}
    for i, group in enumerate(groups or FAMILIES[family]):
        macs = depth * width**2 * 4e7 / (i + 1) if group in ARITHMETIC else 0
        elements = depth * width * 2e5 / (1 + i % 3)
        out[group] = {
            "count": 1 if group in ("pool", "linear") and family != "vit" else depth,
            "macs": macs,
            "bytes": 12 * elements + 4 * width**2 * 1e5,
            "out": elements,
        }
    return {"params": 1e6 * width**2 * depth / 10, "groups": out}


def seconds(machine: str, complexity: dict, batch: float) -> float:
    """The machine's law, exactly: time of a batch."""
    per_mac, per_byte, per_operator = MACHINES[machine]
    total = 1e-4
    for group, work in complexity["groups"].items():
        slow = 20 if group == "convdw" else 2 if group == "convgrp" else 1
        total += slow * batch * work["macs"] * per_mac + batch * work["bytes"] * per_byte + work["count"] * per_operator
    return total


def zoo(count: int = 60, seed: int = 0, families: tuple[str, ...] = tuple(FAMILIES)) -> dict[str, dict]:
    """Networks by name; the name begins with the family."""
    rng = np.random.default_rng(seed)
    names = {}
    for i in range(count):
        family = families[i % len(families)]
        names[f"{family}{i}"] = network(family, int(rng.integers(8, 60)), float(rng.uniform(0.5, 2.5)))
    return names


def frame(
    machine: str = "made-up-cpu",
    networks: dict[str, dict] | None = None,
    batches: tuple[int, ...] = (1,),
    noise: float = 0.05,
    seed: int = 1,
    **changes,
) -> pd.DataFrame:
    """A frame of ok cells whose times follow the machine's law, with log-normal noise per network."""
    rng = np.random.default_rng(seed)
    rows = []
    for model, complexity in (networks or zoo()).items():
        wobble = np.exp(rng.normal(0, noise))
        for batch in batches:
            latency = seconds(machine, complexity, batch) * wobble
            groups = {g: complexity["groups"].get(g, {"count": 0, "macs": 0, "bytes": 0, "out": 0}) for g in GROUPS}
            rows.append({
                "record_id": f"{machine}/{model}/{batch}", "source": "records", "host": "made-up", "file": "made-up", "platform": machine,
                "device": "gpu" if "gpu" in machine else "cpu", "backend": "pytorch", "model": model, "precision": "fp32", "batch_size": batch, "input_px": 224,
                "scenario": "latency", "cell_id": f"{machine}.{changes}.{model}.b{batch}", "role": "cell", "attempt": 1, "status": "ok", "latency_s": latency,
                "throughput": batch / latency, "replicate_medians_s": (0.99 * latency, latency, 1.01 * latency), "params_m": complexity["params"] / 1e6,
                "gmacs": sum(g["macs"] for g in complexity["groups"].values()) / 1e9, "op_features": groups, "contended": False, "started_at": "2026-01-01T00:00:00Z",
                "memory_mb": 20 + complexity["params"] * 4e-6 + batch * sum(g["out"] for g in groups.values()) * 4e-7, "top1": 60 + 15 * np.tanh(complexity["params"] / 3e7),
            } | changes)  # fmt: skip
    return finish.finish(pd.DataFrame(rows))
