"""The published results of Zhao et al. 2023, shipped as a reference data set (facts only; see analysis/data/README.md).

39 networks on "Google Colab" (GPU, PyTorch, batch 1 to 64) and on a Jetson Nano (PyTorch and TensorRT, batch 1).
"""

from pathlib import Path

import pandas as pd

from analysis.importers import base

TABLE = Path(__file__).parents[1] / "data" / "zhao2023.csv"
CITATION = "Zhao et al. 2023, Expert Systems with Applications 229 A, 120475"
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
LACKS = (
    "samples, noise, warm-up, synchronisation, machine behind 'Google Colab', driver, clocks, energy; data loading and host-to-device copies are inside "
    "the time; precision is assumed to be the framework's default; complexity is that of the 224-px network; memory is the whole GPU's"
)


def read(path: str | Path = TABLE) -> pd.DataFrame:
    """The table as frame rows: 7 on Colab and 2 on the Nano per network. Times per image in ms, rates in images/s, Top-1 on CIFAR-100 in %."""
    table = base.csv(path)
    base.require(
        table, ["model", "params_m", *(f"colab_ms_b{b}" for b in BATCH_SIZES)], path, "the layout is that of analysis/data/zhao2023.csv"
    )
    rows = []
    for network in table.to_dict("records"):
        shared = {
            "model": str(network["model"]),
            "device": "gpu",
            "params_m": base.number(network["params_m"]),
            "gmacs": base.number(network.get("gmacs_224")),
            "complexity_px": 224,
            "top1": base.number(network.get("top1_cifar100")),
            "accuracy_source": "zhao",
            "accuracy_data": "CIFAR-100",
            "accuracy_images": 10000,
            "citation": CITATION,
        }
        for batch in BATCH_SIZES:
            image_s = base.number(network[f"colab_ms_b{batch}"]) / 1000
            memory = base.number(network.get("memory_mb")) if batch == 1 else float("nan")
            rows.append(
                {
                    **shared,
                    "platform": "colab",
                    "backend": "pytorch",
                    "precision": "fp32",
                    "input_px": 32,
                    "batch_size": batch,
                    "latency_s": image_s * batch,
                    "memory_mb": memory,
                }
            )
        for backend, pixels, precision in (("pytorch", 32, "fp32"), ("tensorrt", 224, base.UNKNOWN)):
            rate = base.number(network.get(f"nano_{backend}_fps"))
            rows.append(
                {
                    **shared,
                    "platform": "jetson-nano",
                    "backend": backend,
                    "precision": precision,
                    "input_px": pixels,
                    "batch_size": 1,
                    "latency_s": 1 / rate if rate > 0 else float("nan"),
                }
            )
    return base.complete(rows, path, "zhao", LACKS)
