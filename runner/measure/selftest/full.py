"""The rest of the self-test: real networks, other tools, others beside, want of memory, heat, and all 42 networks."""

import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Optional, Sequence

from runner import backends
from runner.machine.threads import usable_cpus
from runner.measure.selftest.rows import NOT_REACHED, OK, WRONG, Row, compared, median_s
from runner.measure.selftest.trial import Block, Trial
from runner.plan.sections import PRECISIONS
from runner.records.line import Line

NETWORKS = ("resnet50", "mobilenet_v2")
PEER = [sys.executable, "-m", "runner.measure.selftest.peer"]
READY_S = 60.0  # for a process beside to be ready
FREE_BYTES = 2 << 30  # of the GPU's memory, left by the process that takes the rest: enough for resnet50 at batch 1 and far from batch 512
TOO_LARGE = 512
DATA_BYTES = 3 << 30  # that a process on the CPU may have, likewise
ALL_42 = (
    "alexnet", "googlenet", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn", "resnet18", "resnet34",
    "resnet50", "resnet101", "resnet152", "squeezenet1_0", "squeezenet1_1", "densenet121", "densenet161", "densenet169", "densenet201",
    "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "mnasnet0_5", "mnasnet1_0", "resnext50_32x4d", "resnext101_32x8d",
    "wide_resnet50_2", "wide_resnet101_2", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "inception_v3", "timm:dpn68", "timm:dpn92",
    "timm:dpn98", "timm:dpn107", "timm:dpn131", "hardnet68", "hardnet85", "hardnet68ds", "hardnet39ds",
)  # fmt: skip


def run(trial: Trial, names: Sequence[str]) -> None:
    """Rows of the full part, in order of value; ``names`` are the backends that run here."""
    batch = 64 if trial.device == "gpu" else 8
    lines = _networks(trial, names, batch)
    if "pytorch" in names:
        _peers(trial, lines, batch)
        _beside(trial)
        _out_of_memory(trial)
        _sustained(trial, lines, batch)
        _variants(trial)
        _all(trial)
    else:
        trial.leave_out("other tools, others beside, want of memory, heat, variants, all networks", "they need PyTorch here")


def _networks(trial: Trial, names: Sequence[str], batch: int) -> List[Line]:
    trial.heading("two networks, all precisions, batch 1 and %d" % batch)
    blocks: List[Block] = []
    for name in names:
        precisions = [one for one in PRECISIONS if one in backends.declared(name).precisions]
        blocks.append({"backend": [name], "model": list(NETWORKS), "precision": precisions, "batch_size": [1]})
        blocks.append(
            {
                "backend": [name],
                "model": list(NETWORKS),
                "precision": [one for one in precisions if one in ("fp32", "fp16")],
                "batch_size": [batch],
            }
        )
    return trial.measure("networks", blocks)


def _of(lines: Sequence[Line], model: str, batch: int, backend: str = "pytorch", precision: str = "fp32") -> Optional[Line]:
    wanted = {"model": model, "batch_size": batch, "backend": backend, "precision": precision, "scenario": "latency"}
    for line in lines:
        if line.status == "ok" and all(getattr(line.cell, name) == value for name, value in wanted.items()):
            return line
    return None


def _peers(trial: Trial, lines: Sequence[Line], batch: int) -> None:
    """The same networks by torch.utils.benchmark, Triton's do_bench, torch's allocator, and power x time."""
    trial.heading("against other tools")
    pairs = [(NETWORKS[0], batch), (NETWORKS[1], batch), (NETWORKS[0], 1)]
    if not trial.has_time("other tools", 40.0):
        return
    own = _of(lines, NETWORKS[0], batch)
    count = own.replicates[-1].executed["threads"] if own else usable_cpus()
    command = PEER + ["measure", trial.device, str(count)] + ["%s:%d" % pair for pair in pairs]
    try:
        said = subprocess.check_output(command, stderr=subprocess.PIPE, timeout=max(1.0, trial.left_s)).decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        trial.add(Row("other tools", NOT_REACHED, "the budget was spent"))
        return
    except subprocess.CalledProcessError as error:
        trial.add(Row("other tools", WRONG, (error.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"])[-1]))
        return
    for text in said.splitlines():
        found = json.loads(text)
        line = _of(lines, found["model"], found["batch"])
        what = "%s, batch %d, fp32" % (found["model"], found["batch"])
        if line is None:
            trial.add(Row(what, NOT_REACHED, "Dyno has no time of it to hold against others"))
            continue
        for row in against(what, line, found, trial.device == "gpu"):
            trial.add(row)


def against(what: str, line: Line, found: Dict[str, Any], is_gpu: bool) -> List[Row]:
    """Rows that hold a record against what the peer found. At batch 1 processes differ by what Python costs each."""
    one = line.replicates[-1]
    most = 0.25 if not is_gpu else 0.1 if found["batch"] > 1 else 0.5
    rows = [compared(what + ": torch.utils.benchmark", [("ms", 1e3 * median_s(line), 1e3 * found["benchmark_s"], most)])]
    if not is_gpu:
        return rows
    if "do_bench_s" in found:
        device = sorted(one.device_samples_s)
        device_ms = 1e3 * device[len(device) // 2] if device else None
        rows.append(compared(what + ": Triton's do_bench", [("device ms", device_ms, 1e3 * found["do_bench_s"], most)]))
    memory = one.gpu_memory or {}
    steady, peak = memory.get("allocator_steady_bytes"), memory.get("allocator_peak_bytes")
    mib = 2.0**-20
    rows.append(
        compared(
            what + ": steady memory by torch's allocator", [("MiB", steady and steady * mib, found["allocator_steady_bytes"] * mib, 0.15)]
        )
    )
    least = found["allocator_peak_bytes"] * mib
    is_there = bool(peak and memory.get("peak_bytes", 0) * mib >= 0.8 * least)
    rows.append(
        Row(what + ": peak memory", OK if is_there else WRONG, "%s MiB, of it torch's allocator %s; it alone elsewhere: %.0f MiB"
            % (memory.get("peak_bytes") and int(memory["peak_bytes"] * mib), peak and int(peak * mib), least))
    )  # fmt: skip
    energy = (one.sensors.get("nvml") or {}).get("energy_j_per_image")
    if "energy_j_per_image" in found and found["batch"] > 1:
        rows.append(compared(what + ": energy by power x time", [("J per image", energy, found["energy_j_per_image"], 0.2)]))
    elif "energy_reason" in found:
        rows.append(Row(what + ": energy by power x time", WRONG, "expected NVML's power: %s" % found["energy_reason"]))
    return rows


@contextmanager
def beside(arguments: Sequence[str], count: int = 1) -> Iterator[bool]:
    """Processes that stand beside the runs inside; whether all said that they are ready."""
    processes = [
        subprocess.Popen(PEER + list(arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(count)
    ]

    def end() -> None:
        for process in processes:
            process.kill()

    late = threading.Timer(READY_S, end)
    late.start()
    try:
        is_ready = all(process.stdout is not None and process.stdout.readline().strip() == b"ready" for process in processes)
        late.cancel()
        yield is_ready
    finally:
        late.cancel()
        end()
        for process in processes:
            process.communicate()


def _beside(trial: Trial) -> None:
    """A cell with others beside it is labelled, on the CPU and on the GPU."""
    trial.heading("others beside")
    for device in sorted({"cpu", trial.device}):
        what = "a busy process beside, on the %s" % device
        if not trial.has_time(what, 25.0):
            continue
        with beside(["busy", device], usable_cpus() if device == "cpu" else 1) as is_ready:
            if not is_ready:
                trial.add(Row(what, WRONG, "expected it to compute, but it ended"))
                continue
            block: Block = {"backend": ["pytorch"], "model": [NETWORKS[0]], "batch_size": [1]}
            lines = trial.measure("beside on the " + device, [block], is_judged=False)
        if lines and lines[0].replicates:
            trial.add(labelled(what, lines[0], device))


def labelled(what: str, line: Line, device: str) -> Row:
    """The verdict on a record with others beside it: labelled, and for what others took of that very device."""
    one = line.replicates[-1]
    readings = one.contention if device == "cpu" else one.sensors.get("nvml") or {}
    share = readings.get("others_share")
    is_seen = "contended" in line.quality and (share or 0.0) > line.protocol["contention_limit"]
    told = "others took %s of the %s" % ("an unknown share" if share is None else "%.0f %%" % (100 * share), device)
    return Row(what, OK if is_seen else WRONG, told + ("" if is_seen else ", labels %s; expected contended" % line.quality))


def _out_of_memory(trial: Trial) -> None:
    """A batch that doesn't fit fails for want of memory, and larger ones are skipped for that reason."""
    trial.heading("want of memory")
    what = "out of memory at batch %d, larger ones skipped" % TOO_LARGE
    if not trial.has_time(what, 30.0):
        return
    block: Block = {"backend": ["pytorch"], "model": [NETWORKS[0]], "batch_size": [1, TOO_LARGE]}
    if trial.device == "gpu":
        with beside(["fill", str(FREE_BYTES)]) as is_ready:
            if not is_ready:
                trial.add(Row(what, WRONG, "expected a process to take the GPU's memory, but it ended"))
                return
            first = trial.measure("memory", [block], is_judged=False)
            then = trial.measure("memory", [dict(block, batch_size=[2 * TOO_LARGE])], is_judged=False)
    else:
        limit = [sys.executable, "-c", LIMITED, str(DATA_BYTES)]
        first = trial.measure("memory", [block], is_judged=False, wrap=limit)
        then = trial.measure("memory", [dict(block, batch_size=[2 * TOO_LARGE])], is_judged=False, wrap=limit)
    trial.add(out_of_memory(what, first, then))


LIMITED = (
    "import os, resource, sys; resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[1]),) * 2); os.execvp(sys.argv[2], sys.argv[2:])"
)


def out_of_memory(what: str, first: Sequence[Line], then: Sequence[Line]) -> Row:
    """The verdict on records of a batch that fits, one that doesn't, and a larger one."""
    by_batch = {line.cell.batch_size: line for line in list(first) + list(then)}
    small, large, larger = (by_batch.get(size) for size in (1, TOO_LARGE, 2 * TOO_LARGE))
    if small is None or large is None or larger is None:
        return Row(what, NOT_REACHED, "the budget was spent")
    if small.status != "ok":
        return Row(what, WRONG, "expected batch 1 to fit: %s" % small.reason)
    if large.status != "failed" or not any(word in str(large.reason).lower() for word in ("memory", "alloc")):
        return Row(what, WRONG, "expected batch %d to fail for want of memory: %s, %s" % (TOO_LARGE, large.status, large.reason))
    if larger.status != "skipped":
        return Row(what, WRONG, "expected batch %d to be skipped: %s, %s" % (2 * TOO_LARGE, larger.status, larger.reason))
    return Row(what, OK, "%s; then %s" % (str(large.reason)[:100], str(larger.reason)[:60]))


def _sustained(trial: Trial, lines: Sequence[Line], batch: int) -> None:
    """A sustained run, and that its energy per image is like the cell's own."""
    trial.heading("sustained")
    what = "%s, batch %d, sustained for 12 s" % (NETWORKS[0], batch)
    if not trial.has_time(what, 25.0):
        return
    block: Block = {"backend": ["pytorch"], "model": [NETWORKS[0]], "batch_size": [batch]}
    found = trial.measure("sustained", [block], ["--sustained", "0.2"], is_judged=False)
    if found:
        trial.add(sustained(what, found[0], _of(lines, NETWORKS[0], batch)))


def sustained(what: str, line: Line, own: Optional[Line]) -> Row:
    """The verdict on a sustained record, given the cell's own."""
    ran = line.replicates[-1].sustained if line.replicates else None
    if not ran:
        return Row(what, WRONG, "expected medians of windows: %s" % line.reason)
    said = "%d windows, late against cold %.3f" % (len(ran["medians_s"]), ran["ratio"])
    each = [_energy(one) for one in (line, own)]
    if None in each:
        return Row(what, OK, said + "; energy: no sensor")
    row = compared(what, [("J per image", each[0], each[1], 0.3)])
    return Row(what, row.verdict, "%s; %s" % (said, row.detail))


def _energy(line: Optional[Line]) -> Optional[float]:
    sensors = line.replicates[-1].sensors if line and line.replicates else {}
    return next((one["energy_j_per_image"] for one in sensors.values() if isinstance(one, dict) and one.get("energy_j_per_image")), None)


def _variants(trial: Trial) -> None:
    trial.heading("variants")
    block: Block = {"model": ["resnet18"], "batch_size": [1]}
    half = "fp16" if trial.device == "gpu" else "bf16"
    blocks = [dict(block, backend=["pytorch:%s" % name]) for name in ("channels_last", "torchscript", "cudagraphs")]
    blocks.append(dict(block, backend=["pytorch:autocast"], precision=[half]))
    if trial.device == "gpu" and backends.available("onnxruntime") is None:
        blocks.append(dict(block, backend=["onnxruntime:tensorrt"]))
    trial.measure("variants", blocks)
    if trial.has_time("resnet18, pytorch:compile", 60.0):
        trial.measure("compiled", [dict(block, backend=["pytorch:compile"])])


def _all(trial: Trial) -> None:
    trial.heading("all 42 networks at batch 1")
    trial.measure("zoo", [{"backend": ["pytorch"], "model": list(ALL_42), "batch_size": [1]}])
