"""Result files of timm's benchmark.py (benchmark-infer-*.csv), with accuracies from its results-*.csv where given."""

import re
from pathlib import Path

import pandas as pd

from analysis.importers import base

LACKS = (
    "samples, noise, warm-up verdict and environment (device and versions are taken from the file's name); times are means, not medians; "
    "the batch may have been shrunk in silence after out-of-memory"
)
NEEDED = ("model", "infer_img_size", "infer_samples_per_sec", "infer_step_time", "infer_batch_size")
NAME = re.compile(r"benchmark-infer-(?P<precision>amp|fp32|fp16|bf16)-(?P<layout>nchw|nhwc)-pt(?P<torch>\d+)-(?P<where>.+)")


def read(path: str | Path, platform: str = "", precision: str = "", device: str = "", accuracy: str | Path = "") -> pd.DataFrame:
    """benchmark-infer CSV as frame rows, one per network and input size; step time in ms per batch, parameters in M.

    platform, precision and device override what the file's name says. accuracy: a results-*.csv of timm (ImageNet) to join by model and size.
    """
    table = base.csv(path)
    base.require(table, NEEDED, path, "give an inference file of timm's benchmark.py (--bench infer)")
    named = _named(Path(path).stem)
    accuracies = _accuracies(accuracy) if accuracy else {}
    rows = []
    for line in table.to_dict("records"):
        pixels, batch = base.number(line["infer_img_size"]), base.number(line["infer_batch_size"])
        rate, step = base.number(line["infer_samples_per_sec"]), base.number(line["infer_step_time"])
        top1, top5 = accuracies.get((str(line["model"]), pixels), (float("nan"), float("nan")))
        rows.append(
            {
                "model": f"timm:{line['model']}",
                "platform": platform or named["platform"],
                "device": device or named["device"],
                "backend": named["backend"],
                "precision": precision or named["precision"],
                "input_px": pixels,
                "batch_size": batch,
                "latency_s": step / 1000 if step > 0 else batch / rate if rate > 0 else float("nan"),
                "throughput": rate,
                "params_m": base.number(line.get("param_count")),
                "gmacs": base.number(line.get("infer_gmacs")),
                "complexity_px": pixels,
                "activations_m": base.number(line.get("infer_macts")),
                "top1": top1,
                "top5": top5,
                "accuracy_source": "timm" if top1 == top1 else None,
                "accuracy_data": "ImageNet" if top1 == top1 else None,
                "accuracy_images": 50000 if top1 == top1 else None,
            }
        )
    return base.complete(rows, path, "timm", LACKS)


def _named(stem: str) -> dict[str, str]:
    """What timm puts in a file's name: precision (amp is mixed fp16), layout, versions and machine."""
    match = NAME.match(stem)
    if not match:
        return {"platform": base.UNKNOWN, "device": base.UNKNOWN, "backend": "pytorch", "precision": base.UNKNOWN}
    where = match["where"].removesuffix("-dynamo")
    variant = [part for part, there in (("dynamo", where != match["where"]), ("channels_last", match["layout"] == "nhwc")) if there]
    machine = re.sub(r"^(cu\d+|cpu)-", "", where)
    return {
        "platform": machine.replace("_", "-"),
        "device": "cpu" if where.startswith("cpu") else "gpu",
        "backend": ":".join(["pytorch", "+".join(variant)] if variant else ["pytorch"]),
        "precision": match["precision"],
    }


def _accuracies(path: str | Path) -> dict[tuple[str, float], tuple[float, float]]:
    table = base.csv(path)
    base.require(table, ("model", "img_size", "top1", "top5"), path, "give timm's results-imagenet.csv")
    return {
        (str(line["model"]).split(".")[0], base.number(line["img_size"])): (base.number(line["top1"]), base.number(line["top5"]))
        for line in reversed(table.to_dict("records"))
    }
