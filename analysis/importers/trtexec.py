"""The output of TensorRT's trtexec, versions 7 to 10: one log, one log with several runs, or a folder of logs."""

import re
from pathlib import Path

import pandas as pd

from analysis.errors import ImporterError
from analysis.importers import base

LACKS = "samples (only min, median and percentiles), replicates, noise, accuracy, complexity, energy; inputs are random"
START = re.compile(r"&&&& RUNNING TensorRT\.trtexec")
STAMP = re.compile(r"^\[\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\] \[[A-Z]\] ?", re.M)
SHAPE = re.compile(r"\b(\d+)x[134]x(\d+)x(\d+)\b")
MODEL = re.compile(r"--(?:onnx|loadEngine|uff|deploy|saveEngine)[= ]+(\S+)|^Model: *(\S+)", re.M)


def read(
    path: str | Path,
    platform: str = "tensorrt-host",
    device: str = "gpu",
    model: str = "",
    precision: str = "",
    batch_size: int = 0,
    input_px: int = 0,
) -> pd.DataFrame:
    """One row per run with a performance summary. latency_s is the median GPU compute time of a batch: inputs on the device to outputs ready.

    What the log does not say must be given: batch_size and input_px where no shape of an image stands in it, model where it has no file.
    """
    rows = []
    for file in base.files(path, ("*.log", "*.txt")):
        content = STAMP.sub("", base.text(file).replace("\r\n", "\n"))
        starts = [match.start() for match in START.finditer(content)] or [0]
        for begin, end in zip(starts, [*starts[1:], len(content)], strict=True):
            run = content[begin:end]
            median = _time(run, "GPU Compute Time", "median") or _time(run, "GPU Compute", "median")
            if median is None:
                continue
            batch, pixels = _shape(run)
            batch, pixels = batch_size or batch, input_px or pixels
            if not batch:
                raise ImporterError(f"{file}: no input shape such as 1x3x224x224; say it with --set batch_size=1 --set input_px=224")
            name = MODEL.search(run)
            known = model or (re.split(r"[\\/]", name[1] or name[2])[-1].rsplit(".", 1)[0] if name else "")
            if not known:
                raise ImporterError(f"{file}: no model in this log; name it with --set model=resnet18")
            streams = int(base.number(_found(r"^(?:Inference )?Streams: (\d+)", run) or 1))
            rate = base.number(_found(r"^Throughput: ([\d.e+]+) qps|^throughput: ([\d.e+]+) qps", run))
            version = _found(r"TensorRT v(\d+)", run)
            hit = _time(run, "GPU Compute Time", "percentile(99%)") or _time(run, "GPU Compute", "percentile(99%)")
            rows.append(
                {
                    "model": known,
                    "platform": platform,
                    "device": "dla" if re.search(r"^DLACore: \d", run, re.M) else device,
                    "backend": "tensorrt",
                    "precision": precision or _precision(run),
                    "batch_size": batch,
                    "input_px": pixels,
                    "scenario": "latency" if streams == 1 else "throughput",
                    "in_flight": streams,
                    "latency_s": median,
                    "latency_p99_s": hit,
                    "throughput": batch / median if streams == 1 else rate * batch,
                    "env_gpu": _found(r"^Selected Device: (.+)", run),
                    "env_tensorrt": version,
                }
            )
    if not rows:
        raise ImporterError(f"{path}: no performance summary of trtexec; give the whole log (trtexec ... > run.log 2>&1)")
    return base.complete(rows, path, "trtexec", LACKS)


def _found(pattern: str, run: str) -> str | None:
    match = re.search(pattern, run, re.M)
    return next((group for group in match.groups() if group), None) if match else None


def _time(run: str, heading: str, key: str) -> float | None:
    """Seconds of `median = 7.14 ms` on the heading's line (8 and later), or of `median: 7.14 ms` in the block below it (7)."""
    line = _found(rf"^{re.escape(heading)}: .*?{re.escape(key)} = ([\d.e+-]+) ms", run)
    if line is None:
        block = re.search(rf"^{re.escape(heading)}\n((?:.+\n){{1,8}})", run, re.M)
        old = {"percentile(99%)": r"^percentile: ([\d.e+-]+) ms at 99%"}.get(key, rf"^{re.escape(key)}: ([\d.e+-]+) ms")
        line = _found(old, block[1]) if block else None
    value = base.number(line)
    return value / 1000 if value > 0 else None


def _shape(run: str) -> tuple[int, int]:
    """(batch, input height) of the last image shape that the log names: bindings stand after options; (0, 0) without one."""
    shapes = SHAPE.findall(run)
    explicit = re.findall(
        r"(?:Input binding for .*?dimensions |Input inference shapes? ?: ?\S+=|--shapes=\S*?:)(\d+)x[134]x(\d+)x(\d+)", run
    )
    batch, height, _ = (explicit or shapes or [("0", "0", "0")])[-1]
    implicit = _found(r"^Batch: (\d+)", run)
    return int(implicit or batch), int(height)


def _precision(run: str) -> str:
    """The lowest precision that the build allowed; a loaded engine does not tell its own."""
    allowed = _found(r"^Precision: (\S+)", run)
    if re.search(r"--loadEngine", run) or not allowed:
        return base.UNKNOWN
    return next((name.lower() for name in ("INT8", "BF16", "FP16") if name in allowed), "fp32")
