"""A frame of good records: 24 networks on four set-ups at five batch sizes, made from a cost model with noise, by seed."""

import numpy as np
import pandas as pd

from analysis.frame import finish
from analysis.importers import base
from analysis.importers.zhao import TABLE

BATCHES = (1, 4, 8, 16, 64)
# platform, device, backend, FLOP/s, byte/s, s per operator, interaction of network and set-up (sigma of the log)
SETUPS = (
    ("cpu", "cpu", "pytorch", 1.2e11, 2e10, 1e-5, 0.08),
    ("cpu", "cpu", "onnxruntime", 1.6e11, 2e10, 4e-6, 0.08),
    ("cuda", "gpu", "pytorch", 6e12, 3e11, 2.5e-5, 0.12),
    ("cuda", "gpu", "tensorrt", 7e12, 3e11, 5e-6, 0.12),
)
GROUPS = ("conv1x1", "conv3x3", "bn", "elem")


def networks(n=24):
    """model, params_m, gmacs, activations_m, op_features: real sizes, operators made up."""
    table = pd.read_csv(TABLE).head(40).iloc[:: max(1, 39 // n)].head(n)
    rows = []
    for row in table.to_dict("records"):
        operators = int(20 + 25 * np.sqrt(row["gmacs_224"]) + 4 * np.log(row["params_m"] + 1))
        activations = 2.0 + 2.2 * row["gmacs_224"] ** 0.7
        moved = 8e6 * activations + 4e6 * row["params_m"]
        features = {
            group: {"count": operators // 4, "macs": 2.5e8 * row["gmacs_224"], "bytes": moved / 4, "out": 2.5e5 * activations}
            for group in GROUPS
        }
        rows.append(
            {
                "model": row["model"],
                "params_m": row["params_m"],
                "gmacs": row["gmacs_224"],
                "activations_m": activations,
                "op_features": features,
                "top1": 60 + 8 * np.log10(row["gmacs_224"] + 0.1),
                "operators": operators,
                "moved": moved,
            }
        )
    return rows


def good(seed=0, n=24, batches=BATCHES, chosen=SETUPS, noise=0.03, spread=1.0):
    """A finished frame without a mistake."""
    rng = np.random.default_rng(seed)
    rows = []
    for platform, device, backend, flops, bandwidth, launch, interaction in chosen:
        for network in networks(n):
            own = np.exp(rng.normal(0, spread * interaction))
            for batch in batches:
                busy = max(2e9 * network["gmacs"] / flops, network["moved"] / bandwidth) * own
                seconds = (network["operators"] * launch + batch * busy) * np.exp(rng.normal(0, noise))
                replicates = tuple(seconds * np.exp(rng.normal(0, 0.01, 3)))
                latency = float(np.median(replicates))
                row = {
                    "platform": platform,
                    "device": device,
                    "backend": backend,
                    "precision": "fp32",
                    "batch_size": batch,
                    "input_px": 224,
                    "scenario": "latency",
                    "latency_s": latency,
                    "replicate_medians_s": replicates,
                    "throughput": batch / latency,
                    "source": "records",
                    "environment": f"{platform}-run",
                    "file": f"{platform}-box",
                    "run": "r1",
                    "status": "ok",
                    "role": "cell",
                    "attempt": 1,
                    "started_at": "2026-01-01T00:00:00Z",
                    "contended": False,
                    "anchor": None,
                    "quality": (),
                    "latency_p90_s": 1.05 * latency,
                    "parity_max_rel": 0.0 if backend == "pytorch" else 1e-6,
                    "power_w": 30.0,
                    "energy_j": 30.0 * latency / batch,
                    "memory_mb": 300 + 5 * network["params_m"] + rng.normal(0, 4),
                    "top5": network["top1"] + 15,
                    "accuracy_source": "published",
                }
                row |= {name: network[name] for name in ("model", "params_m", "gmacs", "activations_m", "op_features", "top1")}
                rows.append(row | {"cell_id": base.cell_id(row)})
    environments = {
        f"{platform}-run": {
            "cpu": "Example CPU",
            "cpus": 2,
            "gpu": "Tesla T4" if platform == "cuda" else None,
            "gpu_driver": "580.1",
            "python": "3.12.1",
            "frameworks": {"torch": "2.13.0"},
        }
        for platform in ("cpu", "cuda")
    }
    frame = pd.DataFrame(rows)
    frame["record_id"] = [f"r1:{at}" for at in range(len(frame))]
    return finish.finish(frame, environments)
