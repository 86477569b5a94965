"""OpenVINO's benchmark_app: what it prints, or its JSON report (-report_type no_counters -json_stats)."""

import json
import re
from pathlib import Path

import pandas as pd

from analysis.errors import ImporterError
from analysis.importers import base
from analysis.importers._numbers import decimal_mark

LACKS = "samples, replicates, noise, accuracy, complexity, energy; inputs are random"
LACKS_REPORT = LACKS + "; the report gives hundredths of a millisecond, no input size, and no precision (bf16 where the CPU has it)"
PRECISIONS = {"f32": "fp32", "float": "fp32", "float32": "fp32", "f16": "fp16", "float16": "fp16", "bf16": "bf16", "bfloat16": "bf16"}
SECTIONS = ("Command line parameters", "Configuration setup", "Execution results")
UNITS = {"ms": 1e-3, "us": 1e-6, "s": 1.0}


def read(path: str | Path, platform: str = "openvino-host", model: str = "", precision: str = "", input_px: int = 0) -> pd.DataFrame:
    """One row per run. With one request in flight latency_s is the median; with several it is the batch over the throughput."""
    given = {name: value for name, value in (("model", model), ("precision", precision), ("input_px", input_px)) if value}
    rows = base.each(
        path, ("*.json", "*.txt", "*.log", "*.csv"), lambda file: [_row(file) | given | {"platform": platform, "backend": "openvino"}]
    )
    return base.complete(rows, path, "benchmark_app", LACKS)


def _row(file: Path) -> dict[str, object]:
    content = base.text(file)
    if content.lstrip().startswith("{"):
        return _report(content, file) | {"lacks": LACKS_REPORT}
    if "Throughput:" not in content and re.search(r"^Execution results", content, re.M):
        return _table(content, file) | {"lacks": LACKS_REPORT}
    return _printed(content, file)


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
        setup, results, given = report.get("configuration_setup", {}), report["execution_results"], report.get("cmd_options", {})
        if "error" in results:
            raise ImporterError(f"{file}: benchmark_app failed: {str(results['error']).splitlines()[0]}")
        return _reported(setup, results, given, file)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise ImporterError(f"{file}: no report of benchmark_app; it is written with -report_type no_counters -json_stats")


def _table(content: str, file: Path) -> dict[str, object]:
    """The report of -report_type no_counters as it was written before JSON, and still is: sections of lines `name;value`."""
    sections: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in content.split("\n"):
        words = [word.strip() for word in line.strip().split(";")]
        if line.strip() and len([word for word in words if word]) == 1 and words[0] in (*SECTIONS, "Performance counters"):
            current = sections.setdefault(words[0], {})
        elif len(words) > 1:
            current[words[0]] = words[1]
    given, setup, results = (sections.get(name, {}) for name in SECTIONS)
    if "error" in results:
        raise ImporterError(f"{file}: benchmark_app failed: {results['error']}")
    if decimal_mark([*setup.values(), *results.values()], file) == ",":
        setup, results = ({name: value.replace(",", ".") for name, value in section.items()} for section in (setup, results))
    return _reported(setup, results, given, file)


def _reported(setup: dict[str, str], results: dict[str, str], given: dict[str, str], file: Path) -> dict[str, object]:
    """A row of a report's sections; its latency is the median, in an older report's words the percentile that was asked for."""
    requests = base.number(setup.get("number of parallel infer requests"))
    median = next(
        (base.number(value) for name, value in results.items() if re.fullmatch(r"(?:Median )?latency \(ms\)", name, re.I)), float("nan")
    )
    device = str(setup.get("target device") or given.get("-d") or "CPU")
    named = str(given.get("-m") or given.get("--path_to_model") or setup.get("topology") or "")
    precision = str(given.get("-infer_precision", "")).split(":")[-1]
    hint = str(given.get("-infer_precision") and precision or setup.get("INFERENCE_PRECISION_HINT", ""))
    return _cell(
        median / 1000,
        base.number(results.get("throughput")),
        base.number(setup.get("batch size")),
        requests if requests == requests else 1,
        file,
    ) | {
        "device": device.split(".")[0].lower(),
        "model": _model(named, file),
        "precision": PRECISIONS.get(hint, base.UNKNOWN),
        "load_s": base.number(results.get("compile model time (ms)", results.get("load network time (ms)"))) / 1000,
        "first_latency_s": base.number(results.get("first inference time (ms)")) / 1000,
    }


def _printed(content: str, file: Path) -> dict[str, object]:
    def find(pattern: str) -> str | None:
        match = re.search(pattern, content)
        return match[1] if match else None

    def seconds(pattern: str) -> float:
        match = re.search(pattern + r"\s+([\d.]+) ?(ms|us|s)\b", content)
        return base.number(match[1]) * UNITS[match[2]] if match else float("nan")

    failed = find(r"\[ ERROR \] (.+)")
    if failed:
        raise ImporterError(f"{file}: benchmark_app failed: {failed[:200]}")
    if not re.search(r"Throughput:(?!.{0,40}qps)", content):
        raise ImporterError(f"{file}: no output of benchmark_app, or of a run that did not end: no line 'Throughput: ... FPS'")
    requests = base.number(
        find(r"inference asynch?ronously,(?: \d+ ms duration,)? (\d+) inference requests")  # misspelt to 2021
        or find(r"OPTIMAL_NUMBER_OF_INFER_REQUESTS *: (\d+)")
        or find(r"\bnireq: (\d+)")
        or 1
    )
    if re.search(r"inference synch?ronously", content):
        requests = 1
    shapes = [tuple(map(int, shape)) for shape in re.findall(r"[\[{](\d+), ?(\d+), ?(\d+), ?(\d+)[\]}]", content)]
    shapes += [tuple(map(int, shape)) for shape in re.findall(r"dimensions \(N[CHW]{3}\): (\d+) (\d+) (\d+) (\d+)", content)]
    batch = base.number(find(r"(?:Model|Network) batch size: (\d+)") or (shapes[0][0] if shapes else None))
    image = next((shape for shape in shapes if 3 in shape[1:]), next((shape for shape in shapes if max(shape[2:]) > 4), None))
    hint = find(r"INFERENCE_PRECISION_HINT *: (?:<Type: ')?(\w+)") or ""
    given = re.search(
        r"""(?:^|\s)-m[= ]+(?:"([^"\n]+)"|'([^'\n]+)'|(\S[^\n"']{0,500}?\.(?:xml|onnx|pdmodel|pb|tflite)\b)|(\S+))""", content
    )
    named = next(filter(None, given.groups()), "") if given else find(r"NETWORK_NAME *: (\S+)") or ""
    device = find(r"EXECUTION_DEVICES *: *\[? *'?(\w+)") or find(r"Device info:?\s*\n(?:\[ INFO \])?[ \t]*(\w+)") or "CPU"
    # to 2021.4 the one latency line is the median; it follows a count of iterations, or a heading of its own later
    median = next(
        (one for one in (seconds(r"Median:"), seconds(r"Latency \(median\):?"), seconds(r"\bLatency:")) if one == one), float("nan")
    )
    sides = [side for side in image[1:] if side != 3 or set(image[1:]) == {3}][:2] if image else [float("nan")] * 2
    known, pixels = base.sized(_model(named, file), sides[0], sides[-1])
    return _cell(median, base.number(find(r"Throughput:\s+([\d.]+) FPS")), batch, requests, file) | {
        "device": device.lower(),
        "model": known,
        "input_px": pixels,
        "precision": PRECISIONS.get(hint, base.UNKNOWN),
        "load_s": next((one for one in (seconds(r"Compile model took"), seconds(r"Load network took")) if one == one), float("nan")),
        "first_latency_s": seconds(r"First inference took"),
        "env_openvino": find(r"Build ?\.+ (\S+)"),
    }


def _model(named: str, file: Path) -> str:
    """The model file's name; where OpenVINO tells only its own name for a graph, the result file's."""
    name = re.split(r"[\\/]", named)[-1].removesuffix(".xml").removesuffix(".onnx")
    return file.stem if not name or re.fullmatch(r"onnx_Frontend_IR|torch[-_]jit.*|main_graph|Model\d+", name) else name
