"""The rest of the self-test: real networks, other tools, others beside, want of memory, heat, and all 42 networks."""

import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import Iterator, List, Optional, Sequence

from runner import backends
from runner.machine.threads import usable_cpus
from runner.measure.selftest import agreement, peer
from runner.measure.selftest.rows import NOT_REACHED, OK, WRONG, Row, compared
from runner.measure.selftest.trial import Block, Trial
from runner.plan.sections import PRECISIONS
from runner.records.line import Line

NETWORKS = ("resnet50", "mobilenet_v2")
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
        agreement.run(trial, [(NETWORKS[0], batch), (NETWORKS[1], batch), (NETWORKS[0], 1)])
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


@contextmanager
def beside(arguments: Sequence[str], count: int = 1) -> Iterator[bool]:
    """Processes that stand beside the runs inside; whether all said that they are ready."""
    processes = [
        subprocess.Popen(peer.COMMAND + list(arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
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
        trial.add(sustained(what, found[0], agreement.line_of(lines, NETWORKS[0], batch)))


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
