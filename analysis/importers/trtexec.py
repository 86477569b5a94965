"""The output of TensorRT's trtexec, versions 7 to 10: one log, one log with several runs, or a folder of logs."""

import re
from pathlib import Path

import pandas as pd

from analysis.errors import ImporterError
from analysis.importers import base

LACKS = "samples (only min, median and percentiles), replicates, noise, accuracy, complexity, energy; inputs are random"
START = re.compile(r"&&&& RUNNING TensorRT\.trtexec")
STAMP = re.compile(r"^(?:\[\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\] )?(?:\[[IVWX]\] ?)?", re.M)  # [E] stays: it marks a reason
IMAGE = r"(\d+)x(?:[134]x(\d+)x(\d+)|(\d+)x(\d+)x[134])\b"  # NCHW or NHWC
SHAPE = re.compile(r"\b" + IMAGE)
EXPLICIT = re.compile(r"(?:Input binding for .*?dimensions |Input inference shapes? ?: ?\S+=|--shapes=\S*?:)" + IMAGE)
PATH = (
    r"""(?:"([^"\n]+)"|'([^'\n]+)'|([^\s"'][^\n]*?)(?= --|[ \t]*$))"""  # the echo of a command has lost its quotes: up to the next option
)
MODEL = re.compile(r"--(?:onnx|loadEngine|uff|deploy|saveEngine)[= ]+" + PATH + r"|^Model: *([^\n]+)", re.M)
KNOWN_PRECISIONS = {"FP32", "TF32", "FP16", "BF16", "INT8"}
ALL_PRECISIONS = {"FP32", "FP16", "INT8"}  # what --best allows at once: the log does not tell which was taken
LONGEST = 4096  # characters of a line; a longer one is a listing of layers, and slow to search


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
    rows = base.each(path, ("*.log", "*.txt"), lambda file: _runs(file, platform, device, model, precision, batch_size, input_px))
    return base.complete(rows, path, "trtexec", LACKS)


def _runs(file: Path, platform: str, device: str, model: str, precision: str, batch_size: int, input_px: int) -> list[dict[str, object]]:
    content = "\n".join(line[:LONGEST] for line in STAMP.sub("", base.text(file)).split("\n"))
    starts = [match.start() for match in START.finditer(content)] or [0]
    rows, faults = [], []
    for begin, end in zip(starts, [*starts[1:], len(content)], strict=True):
        run = content[begin:end]
        median = _time(run, "GPU Compute Time", "median") or _time(run, "GPU Compute", "median")
        if re.search(r"^&&&& FAILED", run, re.M) or median is None:
            faults.append(_fault(run))
            continue
        batch, height, width = _shape(run)
        batch, height, width = batch_size or batch, input_px or height, input_px or width
        if not batch:
            raise ImporterError(f"{file}: no input shape such as 1x3x224x224; say it with --set batch_size=1 --set input_px=224")
        known = model or _model(run)
        if not known:
            raise ImporterError(f"{file}: no model in this log; name it with --set model=resnet18")
        known, pixels = base.sized(known, height, width)
        streams = int(base.number(_found(r"^(?:Inference )?Streams: (\d+)", run) or 1))
        rate = base.number(_found(r"^Throughput: ([\d.e+]+) qps|^throughput: ([\d.e+]+) qps", run))
        tail = _time(run, "GPU Compute Time", "percentile(99%)") or _time(run, "GPU Compute", "percentile(99%)")
        rows.append(
            {
                "model": known,
                "platform": platform,
                "device": "dla" if re.search(r"^DLACore: \d", run, re.M) else device,
                "backend": "tensorrt",
                "precision": precision or _precision(run),
                "batch_size": batch,
                "input_px": pixels or float("nan"),
                "scenario": "latency" if streams == 1 else "throughput",
                "in_flight": streams,
                "latency_s": median,
                "latency_p99_s": tail,
                "throughput": batch / median if streams == 1 else rate * batch,
                "env_gpu": _found(r"^Selected Device: (.+)", run),
                "env_tensorrt": _found(r"TensorRT v(\d+)", run),
            }
        )
    if not rows:
        raise ImporterError(f"{file}: {faults[0]}")
    if faults:
        base.note(file, len(faults), "run", "left out", faults)
    return rows


def _fault(run: str) -> str:
    """Why a run gives no row."""
    error = _found(r"^(?:\[[^\]\n]*\] )*\[E\] ?(.+)", run) or _found(r"^Error\[\d+\]: ?(.+)", run)
    if "&&&& FAILED" in run:
        return f"trtexec failed{': ' + error[:200] if error else ''}; look at the end of the log"
    return "no performance summary of trtexec; give the whole log (trtexec ... > run.log 2>&1)"


def _model(run: str) -> str:
    """The name of the model's file, without folder and ending; empty where the log names none."""
    match = MODEL.search(run)
    path = next((group for group in match.groups() if group), "").strip() if match else ""
    plain = re.sub(r"\\( )", r"\1", path)
    return re.sub(r"\.[A-Za-z0-9]{1,12}$", "", re.split(r"[\\/]", plain)[-1])


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


def _shape(run: str) -> tuple[int, int, int]:
    """(batch, input height, width) of the last image shape that the log names: bindings stand after options; zeros without one."""
    batch, *sides = (EXPLICIT.findall(run) or SHAPE.findall(run) or [("0", "0", "0", "", "")])[-1]
    height, width = sides[:2] if sides[0] else sides[2:]
    implicit = _found(r"^Batch: (\d+)", run)
    return int(implicit or batch), int(height), int(width)


def _precision(run: str) -> str:
    """The lowest precision that the build allowed; unknown where that tells nothing.

    A loaded engine does not tell its own; a strongly typed network has the file's types, whatever the line says; --best allows all.
    """
    allowed = set(re.split(r"[+ ,]+", _found(r"^Precision: (.+)", run) or ""))
    own = re.search(r"--loadEngine|--stronglyTyped|^Strongly Typed: Enabled", run, re.M)
    if own or not allowed & ALL_PRECISIONS or allowed >= ALL_PRECISIONS or allowed - KNOWN_PRECISIONS - {""}:
        return base.UNKNOWN
    return next((name.lower() for name in ("INT8", "BF16", "FP16") if name in allowed), "fp32")
