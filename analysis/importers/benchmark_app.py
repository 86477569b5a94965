"""OpenVINO's benchmark_app: what it prints, or its JSON report (-report_type no_counters -json_stats)."""

import json
import re
from pathlib import Path

import pandas as pd

from analysis.errors import ImporterError
from analysis.importers import base

LACKS = "samples, replicates, noise, accuracy, complexity, energy; inputs are random"
LACKS_JSON = LACKS + "; the report gives hundredths of a millisecond, no input size, and no precision (bf16 where the CPU has it)"
PRECISIONS = {"f32": "fp32", "float": "fp32", "float32": "fp32", "f16": "fp16", "float16": "fp16", "bf16": "bf16", "bfloat16": "bf16"}
UNITS = {"ms": 1e-3, "us": 1e-6, "s": 1.0}


def read(path: str | Path, platform: str = "openvino-host", model: str = "", precision: str = "", input_px: int = 0) -> pd.DataFrame:
    """One row per run. With one request in flight latency_s is the median; with several it is the batch over the throughput."""
    rows, lacks = [], LACKS
    for file in base.files(path, ("*.json", "*.txt", "*.log")):
        content = base.text(file)
        if content.lstrip().startswith("{"):
            found, lacks = _report(content, file), LACKS_JSON
        else:
            found = _printed(content, file)
        rows.append(
            {"platform": platform, "backend": "openvino", **found}
            | {k: v for k, v in (("model", model), ("precision", precision), ("input_px", input_px)) if v}
        )
    return base.complete(rows, path, "benchmark_app", lacks)


def _cell(median: float, rate: float, batch: float, requests: float, file: Path) -> dict[str, object]:
    if not batch >= 1:
        raise ImporterError(f"{file}: no batch size; a run with a dynamic shape has none, give it to benchmark_app with -b or -shape")
    if not (rate > 0 or median > 0):
        raise ImporterError(f"{file}: neither a latency nor a throughput; the run may have failed, look at its end")
    alone = requests <= 1
    latency = median if alone and median > 0 else batch / rate if rate > 0 else float("nan")
    return {
        "batch_size": batch,
        "latency_s": latency,
        "throughput": batch / median if alone and median > 0 else rate,
        "in_flight": requests,
        "scenario": "latency" if alone else "throughput",
    }


def _report(content: str, file: Path) -> dict[str, object]:
    try:
        report = json.loads(content)
        setup, results = report.get("configuration_setup", {}), report["execution_results"]
        if "error" in results:
            raise ImporterError(f"{file}: benchmark_app failed: {str(results['error']).splitlines()[0]}")
        given = report.get("cmd_options", {})
        requests = base.number(setup.get("number of parallel infer requests"))
        cell = _cell(
            base.number(results.get("latency (ms)")) / 1000,
            base.number(results.get("throughput")),
            base.number(setup.get("batch size")),
            requests if requests == requests else 1,
            file,
        )
        device = str(setup.get("target device", "CPU"))
        named = str(given.get("-m") or given.get("--path_to_model") or setup.get("topology") or "")
    except (ValueError, KeyError, AttributeError, TypeError):
        raise ImporterError(f"{file}: no report of benchmark_app; it is written with -report_type no_counters -json_stats")
    precision = str(given.get("-infer_precision", "")).split(":")[-1]
    cell |= {
        "device": device.split(".")[0].lower(),
        "model": _model(named, file),
        "load_s": base.number(results.get("compile model time (ms)")) / 1000,
        "first_latency_s": base.number(results.get("first inference time (ms)")) / 1000,
    }
    return cell | ({"precision": PRECISIONS[precision]} if precision in PRECISIONS else {})


def _printed(content: str, file: Path) -> dict[str, object]:
    def find(pattern: str) -> str | None:
        match = re.search(pattern, content)
        return match[1] if match else None

    def seconds(pattern: str) -> float:
        match = re.search(pattern + r"\s+([\d.]+) (ms|us|s)\b", content)
        return base.number(match[1]) * UNITS[match[2]] if match else float("nan")

    if "Throughput:" not in content:
        raise ImporterError(f"{file}: no output of benchmark_app, or of a run that did not end: no line 'Throughput:'")
    requests = base.number(find(r"asynchronously, (\d+) inference requests") or find(r"OPTIMAL_NUMBER_OF_INFER_REQUESTS: (\d+)") or 1)
    if "inference synchronously" in content:
        requests = 1
    shapes = re.findall(r"\[(\d+),(\d+),(\d+),(\d+)\]", content)
    batch = base.number(find(r"Model batch size: (\d+)") or (shapes[0][0] if shapes else None))
    pixels = max((int(side) for side in shapes[-1][1:] if int(side) > 4), default=0) if shapes else 0
    image = next((max(int(s) for s in shape[1:]) for shape in shapes if 3 in map(int, shape[1:])), pixels)
    hint = find(r"INFERENCE_PRECISION_HINT: <Type: '(\w+)'>") or ""
    named = find(r"(?:^|\s)-m[= ]+(\S+)") or find(r"NETWORK_NAME: (\S+)") or ""
    return _cell(seconds(r"Median:"), base.number(find(r"Throughput:\s+([\d.]+) FPS")), batch, requests, file) | {
        "device": (find(r"EXECUTION_DEVICES: \['(\w+)") or find(r"Device info:\s*\n(?:\[ INFO \] )?(\w+)") or "CPU").lower(),
        "model": _model(named, file),
        "input_px": image or float("nan"),
        "precision": PRECISIONS.get(hint, base.UNKNOWN),
        "load_s": seconds(r"Compile model took"),
        "first_latency_s": seconds(r"First inference took"),
        "env_openvino": find(r"Build \.+ (\S+)"),
    }


def _model(named: str, file: Path) -> str:
    """The model file's name; where OpenVINO tells only its own name for a graph, the result file's."""
    name = re.split(r"[\\/]", named)[-1].removesuffix(".xml").removesuffix(".onnx")
    return file.stem if not name or re.fullmatch(r"onnx_Frontend_IR|torch[-_]jit.*|main_graph|Model\d+", name) else name
