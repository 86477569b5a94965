"""The columns that `import table` takes beside the frame's own names: what they become, in which unit, and which units a cell may bear."""

from dataclasses import dataclass, field

SECONDS = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "msec": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
MILLIONS = {"K": 1e-3, "k": 1e-3, "M": 1.0, "G": 1e3, "B": 1e3}
BILLIONS = {"M": 1e-3, "G": 1.0, "T": 1e3, "MMac": 1e-3, "GMac": 1.0, "MMACs": 1e-3, "GMACs": 1.0}
FLOPS = {"M": 5e-4, "G": 0.5, "T": 500.0, "MFLOPs": 5e-4, "GFLOPs": 0.5, "MFLOPS": 5e-4, "GFLOPS": 0.5}
RATE = dict.fromkeys(("fps", "FPS", "qps", "images/s", "image/s", "img/s", "imgs/s", "im/s", "1/s", "/s", "samples/s"), 1.0)
MEGABYTES = {"KB": 1e-3, "kB": 1e-3, "MB": 1.0, "GB": 1e3, "KiB": 1.024e-3, "MiB": 1.048576, "GiB": 1073.741824}
JOULES = {"J": 1.0, "mJ": 1e-3, "uJ": 1e-6, "µJ": 1e-6}
PERCENT = {"%": 1.0}


@dataclass(frozen=True)
class Column:
    """A column of numbers: the frame's name, the factor of a bare number and of each unit, and what it is."""

    target: str
    factor: float
    units: dict[str, float] = field(default_factory=dict)
    help: str = ""


COLUMNS = {
    "batch_size": Column("batch_size", 1.0, {}, "images per batch (1 where the table has no such column)"),
    "input_px": Column("input_px", 1.0, {"px": 1.0}, "height and width of the input"),
    "latency_s": Column("latency_s", 1.0, SECONDS, "seconds per batch"),
    "latency_ms": Column("latency_s", 1e-3, SECONDS, "milliseconds per batch"),
    "latency_us": Column("latency_s", 1e-6, SECONDS, "microseconds per batch"),
    "image_s": Column("image_s", 1.0, SECONDS, "seconds per image"),
    "image_ms": Column("image_s", 1e-3, SECONDS, "milliseconds per image"),
    "throughput": Column("throughput", 1.0, RATE, "images per second"),
    "latency_p90_s": Column("latency_p90_s", 1.0, SECONDS),
    "latency_p90_ms": Column("latency_p90_s", 1e-3, SECONDS),
    "latency_p99_s": Column("latency_p99_s", 1.0, SECONDS),
    "latency_p99_ms": Column("latency_p99_s", 1e-3, SECONDS),
    "load_s": Column("load_s", 1.0, SECONDS),
    "load_ms": Column("load_s", 1e-3, SECONDS),
    "first_latency_s": Column("first_latency_s", 1.0, SECONDS),
    "top1": Column("top1", 1.0, PERCENT, "Top-1 in percent (69.76); say `accuracy_data` with --set if it is not ImageNet's"),
    "top1_share": Column("top1", 100.0, PERCENT, "Top-1 as a share (0.6976)"),
    "top5": Column("top5", 1.0, PERCENT, "Top-5 in percent"),
    "params_m": Column("params_m", 1.0, MILLIONS, "parameters in millions"),
    "params": Column("params_m", 1e-6, MILLIONS, "parameters"),
    "gmacs": Column("gmacs", 1.0, BILLIONS, "multiply-adds per image in 10^9"),
    "gflops": Column("gmacs", 0.5, FLOPS, "floating-point operations per image in 10^9; halved to gmacs"),
    "macs": Column("gmacs", 1e-9, BILLIONS),
    "activations_m": Column("activations_m", 1.0, MILLIONS),
    "memory_mb": Column("memory_mb", 1.0, MEGABYTES, "memory in MB"),
    "energy_j": Column("energy_j", 1.0, JOULES, "joules per image"),
    "energy_mj": Column("energy_j", 1e-3, JOULES, "millijoules per image"),
    "power_w": Column("power_w", 1.0, {"W": 1.0, "mW": 1e-3}, "watts"),
}
SHARES = ("top1", "top5")  # targets in percent, which lie within 0 and 100
WORDS = {
    "model": "the network (`timm:` before timm's names)",
    "platform": "kind of machine",
    "device": "cpu, gpu, npu ...",
    "backend": "framework",
    "precision": "fp32, fp16, int8 ...",
    "scenario": "latency or throughput",
}


def listing() -> str:
    """The columns for `import --help`: words first, then numbers with a meaning of their own."""
    told = [f"{name}: {text}" for name, text in WORDS.items()]
    told += [f"{name}: {column.help}" for name, column in COLUMNS.items() if column.help]
    return "; ".join(told)
