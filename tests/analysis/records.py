"""Synthetic records in the exact shape of runner/records/file.py, for tests only: made-up machines whose names say so."""

import json
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.data import catalogue
from analysis.predict import path
from runner.records.schema import SCHEMA_VERSION

CLASSIC = (  # the studies' 42 networks and some
    "alexnet googlenet vgg11 vgg13 vgg16 vgg19 vgg11_bn vgg13_bn vgg16_bn vgg19_bn resnet18 resnet34 resnet50 resnet101 resnet152 squeezenet1_0 "
    "squeezenet1_1 densenet121 densenet161 densenet169 densenet201 mobilenet_v2 mobilenet_v3_small mobilenet_v3_large mnasnet0_5 mnasnet1_0 "
    "resnext50_32x4d resnext101_32x8d wide_resnet50_2 wide_resnet101_2 shufflenet_v2_x0_5 shufflenet_v2_x1_0 inception_v3 timm:dpn68 timm:dpn92 "
    "timm:dpn98 timm:dpn107 timm:dpn131 hardnet:hardnet68 hardnet:hardnet85 hardnet:hardnet68ds hardnet:hardnet39ds"
).split()
# GMACs at 224 px (299 for inception_v3), rounded; parameters come from the catalogue.
GMACS = dict(zip(CLASSIC, [
    0.714, 1.5, 7.61, 11.3, 15.5, 19.6, 7.61, 11.3, 15.5, 19.6, 1.81, 3.66, 4.09, 7.8, 11.5, 0.819, 0.349, 2.83, 7.73, 3.36, 4.29, 0.3, 0.0565, 0.217,
    0.104, 0.314, 4.23, 16.4, 11.4, 22.8, 0.0405, 0.145, 5.71, 2.33, 6.5, 11.7, 18.3, 16.0, 4.25, 9.07, 0.775, 0.429], strict=True))  # fmt: skip
# Made-up machines: effective GMACs/s and seconds of overhead per network at batch 1, by backend.
PLATFORMS = {
    "synthetic-cpu": {"pytorch": (120, 8e-3), "onnxruntime": (150, 1e-3), "openvino": (210, 5e-4)},
    "synthetic-gpu": {"pytorch": (9000, 7e-3), "tensorrt": (16000, 6e-4)},
    "synthetic-edge": {"pytorch": (70, 2.5e-2), "tensorrt": (140, 4e-3)},
    "synthetic-stick": {"openvino": (30, 6e-3)},
}
QUICK = ("alexnet", "vgg11", "resnet18", "resnet50", "mobilenet_v2", "squeezenet1_1")


def cell_record(platform, backend, model, batch_size=1, *, attempt=1, status="ok", contended=False, scenario="latency", precision="fp32", input_px=None,
                replicates=3, samples=60, run="20260101T000000Z-0001", speed=None, load=1.0, **changes):  # fmt: skip
    """One cell record; `changes` overrides top-level fields."""
    px = input_px or (299 if model == "inception_v3" else 224)
    cell = {"platform": platform, "device": "cpu" if "cpu" in platform else "gpu", "backend": backend, "model": model, "precision": precision,
            "batch_size": batch_size, "input_px": px, "scenario": scenario}  # fmt: skip
    cell_id = "_".join(
        str(cell[k]) for k in ("platform", "device", "backend", "model", "precision", "batch_size", "input_px", "scenario")
    ).replace(":", "-")
    rng = np.random.default_rng(zlib.crc32(f"{cell_id}{attempt}{run}".encode()))
    gmacs = GMACS.get(model, 1.0) * (px / (299 if model == "inception_v3" else 224)) ** 2
    graphs = catalogue.load().graphs
    rows = graphs[graphs["model"].isin([model, model.split(":")[-1]])]
    params_m = round(int(rows["params"].iloc[0]) / 1e6, 3) if len(rows) else 10.0
    rate, overhead = speed or PLATFORMS.get(platform, {}).get(backend, (100, 1e-3))
    skew = np.exp(np.random.default_rng(zlib.crc32(f"{platform}{backend}{model}".encode()).__int__()).normal(0, 0.25))
    seconds = load * skew * (overhead * (1 + params_m / 100) + batch_size * gmacs / rate)
    if scenario == "throughput":
        seconds *= 0.7
    record = {
        "schema_version": SCHEMA_VERSION, "kind": "cell", "id": f"{run}/{cell_id}/{attempt}", "run": run, "environment": run, "cell": cell, "cell_id": cell_id,
        "role": "cell", "anchor": None, "order": 0, "attempt": attempt, "status": status, "reason": None, "phase": None, "signal": None, "stderr": None,
        "started_at": f"2026-01-0{min(attempt, 9)}T00:00:00Z", "wall_s": 3.0, "weights": "random", "weights_tag": None, "seed": 1, "protocol": {"replicates": replicates}, "asked": replicates, "ended": "enough",
        "content": {"network": f"{zlib.crc32(model.encode()):08x}", "graph": None, "protocol": "0"},
        "replicates": [], "parity": {"max_abs": 1e-6, "mean_abs": 1e-7, "max_rel": 1e-6, "cosine": 1.0, "top1_flips": 0, "images": batch_size}, "discarded": [],
        "quality": ["contended"] if contended else [], "sensitivity": 1.0,
        "complexity": {"params": int(params_m * 1e6), "macs": int(gmacs * 1e9), "activations": int(gmacs * 3e6), "groups": {
            "conv3x3": {"count": 20, "macs": int(gmacs * 1e9), "bytes": int(params_m * 4e6), "out": int(gmacs * 3e6)}}},
        "load": {"before": [0.1, 0.1, 0.1], "after": [0.3, 0.1, 0.1]}, "harness": {"supervisor_cpu_s": 0.01, "worker_cpu_s": 0.02},
    }  # fmt: skip
    if status != "ok":
        record |= {"reason": "made to fail", "phase": "load" if status == "failed" else None}
        return record | changes
    for number in range(replicates):
        centre = seconds * np.exp(rng.normal(0, 0.012)) * (1.9 if contended else 1)
        values = (centre * np.exp(np.abs(rng.normal(0, 0.02, samples)))).round(9).tolist()
        record["replicates"].append({
            "run": run, "environment": run, "round": number + 1, "order": number, "started_at": "2026-01-01T00:00:00Z", "wall_s": 1.0,
            "samples_s": values, "window_batches": 1, "watched_images": batch_size * len(values), "in_flight": 4 if scenario == "throughput" else 1, "warmup_samples_s": values[:3], "warmup_verdict": "steady",
            "stop": "interval", "spans": {"load_s": 0.2 + params_m / 200, "first_latency_s": 3 * centre, "h2d_s": None, "d2h_s": None, "warmup_s": 0.1,
            "measure_s": sum(values), "process_s": sum(values) + 0.8}, "load_cached": False, "device_samples_s": [],
            "contention": {"others_share": 0.6 if contended else 0.01, "steal_share": 0.0, "pressure_share": None, "involuntary_switches": 3, "window_s": 1.0},
            "contended": contended, "executed": {"precision": precision, "threads": 2, "layout": "NCHW"},
            "sensors": {"memory": {"above_baseline_bytes": int((params_m * 4.4 + 6 + batch_size * gmacs * 2) * 2**20 * np.exp(rng.normal(0, 0.04))),
                                   "method": "VmHWM"}, **({"rapl": None} if "cpu" in platform else {"jetson_ina3221": {"power_w": 9.5, "energy_j_per_image": 9.5 * centre / batch_size}})},
        })  # fmt: skip
    return record | changes


def environment_record(platform, run="20260101T000000Z-0001", **facts):
    """One environment line; `facts` overrides what is recorded of the machine."""
    facts = {"platform": platform, "host": f"{platform}-host", "cpu": "Synthetic CPU, 2 cores", "memory_bytes": 8 * 2**30, "os": "Synthetic OS 1", "python": "3.12.1",
             "frameworks": {"torch": "2.13.0"}, "cpus": 2, "packages": {"torch": "2.13.0", "numpy": "2.4.6"}, "temperatures_c": {"cpu": 41.0}} | facts  # fmt: skip
    return {"schema_version": SCHEMA_VERSION, "kind": "environment", "id": run, "run": run, "environment": facts}


def profile_record(platform, backend, model, share, run="20260101T000000Z-0001", total_s=0.01, **changes):
    """A line of kind `profile` in which convolutions take `share` of the time."""
    cell = cell_record(platform, backend, model, replicates=0, run=run)
    groups = {"conv": share, "elem": 0.7 * (1 - share), "copy": 0.3 * (1 - share)}
    told = {"method": "counters", "batches": 3, "operators": [], "groups": {name: {"count": 9, "s": total_s * part} for name, part in groups.items()},
            "sum_s": total_s, "wall_s": 3 * total_s, "timed_s": 0.95 * total_s}  # fmt: skip
    return cell | {"kind": "profile", "id": f"{run}/{cell['cell_id']}/profile", "profile": told} | changes


def search_path(results, models, limit_s=0.033):
    """The path of a search as RESULTS/search/path.jsonl: times rise by 9 ms from network to network, each the best while it meets the limit."""
    best = None
    for at, model in enumerate(models):
        cell = {"model": model, "input_px": 224, "backend": "openvino", "precision": "fp32", "device": "cpu", "batch_size": 1}
        expected = {"expected_ms": 10.0 + 9 * at, "low_ms": 7.0 + 7 * at, "high_ms": 14.0 + 12 * at}
        path.append(
            results,
            path.ASKED,
            "abc",
            cell | expected | {"top1": 70.0 + at, "limits": {"latency_s": limit_s}, "chance": 0.8, "why": "spread"},
        )
        latency_ms = 9.5 + 9 * at
        best = (model, 70.0 + at) if latency_ms <= 1e3 * limit_s else best
        found = {"latency_ms": latency_ms, "meets": latency_ms <= 1e3 * limit_s, "reason": None, "doubt": 0.1}
        path.append(results, path.DONE, "abc", cell | found | {"best": best and best[0], "best_top1": best and best[1]})


def write(path, records, tail=""):
    """A record file; `tail` is appended as it is (a torn last line)."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(r) + "\n" for r in records) + tail, encoding="utf-8")
    return file


def sweep(folder, platforms=PLATFORMS, models=CLASSIC, batch_sizes=(1, 2, 4, 8, 16, 32, 64), throughput=True, samples=60):
    """A record file per platform with failures, skips, contended cells, a second run, an anchor, a duplicate and a torn line."""
    for number, platform in enumerate(platforms):
        run = f"20260101T00000{number}Z-000{number}"
        records = [environment_record(platform, run, cpu=f"Synthetic CPU {number}")]
        for backend in PLATFORMS[platform]:
            for model in models:
                for batch_size in batch_sizes:
                    key = zlib.crc32(f"{platform}{backend}{model}{batch_size}".encode()) % 100
                    extra = {"samples": samples, "run": run}
                    if key < 2:
                        extra |= {"contended": True}
                    elif key < 4 or (platform == "synthetic-edge" and batch_size == 64 and GMACS[model] > 10):
                        extra |= {"status": "failed"}
                    elif key < 5:
                        extra |= {"status": "skipped"}
                    records.append(cell_record(platform, backend, model, batch_size, **extra))
                    if throughput and batch_size in (1, 8):
                        records.append(cell_record(platform, backend, model, batch_size, scenario="throughput", samples=12, run=run))
        model, backend = models[0], next(iter(PLATFORMS[platform]))
        records.append(cell_record(platform, backend, model, 1, run=run, role="anchor", anchor="start", id=f"{run}/anchor"))
        records.append(records[1])
        later = run.replace("20260101", "20260102")
        records.append(environment_record(platform, later, cpu=f"Synthetic CPU {number}", frameworks={"torch": "2.14.0"}))
        records += [cell_record(platform, backend, m, 1, attempt=2, run=later, load=1.3, samples=samples) for m in models[:3]]
        write(Path(folder) / f"{platform}-host{number}.jsonl", records, tail='{"schema_version": 1, "kind": "cell", "id"')
    return Path(folder)


def frame_of(*records):
    """The frame of records, without a file in between."""
    from analysis.frame.finish import finish
    from analysis.frame.row import row

    environments = {r["id"]: r["environment"] for r in records if r["kind"] == "environment"}
    return finish(pd.DataFrame([row(r, Path("test.jsonl")) for r in records if r["kind"] == "cell"]), environments)
