"""A record against what other tools find on the same machine: time, memory, energy."""

import json
import subprocess
from typing import Any, Dict, List, Optional, Sequence, Tuple

from runner.machine import threads
from runner.measure.selftest import peer
from runner.measure.selftest.rows import NOT_REACHED, OK, WRONG, Row, compared, median_s
from runner.measure.selftest.trial import Block, Trial
from runner.records.line import Line


def run(trial: Trial, pairs: Sequence[Tuple[str, int]]) -> None:
    """These networks and batch sizes by torch.utils.benchmark, Triton's do_bench, torch's allocator, and power x time.

    The others measure before and after Dyno does, so that a machine that changes meanwhile is not taken for a disagreement.
    """
    trial.heading("against other tools")
    if not trial.has_time("other tools", 60.0):
        return
    before = _by_others(trial, "measure", pairs)
    blocks: List[Block] = [{"backend": ["pytorch"], "model": [model], "batch_size": [size]} for model, size in pairs]
    lines = trial.measure("other tools", blocks, is_judged=False) if before else []
    after = {(one["model"], one["batch"]): one["benchmark_s"] for one in (_by_others(trial, "time", pairs) if lines else [])}
    for found in before:
        pair = (found["model"], found["batch"])
        line, what = line_of(lines, *pair), "%s, batch %d, fp32" % pair
        if line is None or pair not in after:
            trial.add(Row(what, NOT_REACHED, "Dyno's time and another tool's before and after it are not all there"))
            continue
        for row in against(what, line, dict(found, benchmark_after_s=after[pair]), trial.device == "gpu"):
            trial.add(row)


def _by_others(trial: Trial, how: str, pairs: Sequence[Tuple[str, int]]) -> List[Dict[str, Any]]:
    """What the peer found for each network and batch size; none, with a row that says why, where it could not run."""
    command = peer.COMMAND + [how, trial.device, str(threads.for_backends().count)] + ["%s:%d" % pair for pair in pairs]
    try:
        said = subprocess.check_output(command, stderr=subprocess.PIPE, timeout=max(1.0, trial.left_s)).decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        trial.add(Row("other tools", NOT_REACHED, "the budget was spent"))
        return []
    except subprocess.CalledProcessError as error:
        trial.add(Row("other tools", WRONG, (error.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"])[-1]))
        return []
    return [json.loads(text) for text in said.splitlines()]


def against(what: str, line: Line, found: Dict[str, Any], is_gpu: bool) -> List[Row]:
    """Rows that hold a record against what the peer found. At batch 1 processes differ by what Python costs each."""
    if "contended" in line.quality:
        return [Row(what, NOT_REACHED, "others were busy beside it, so its time says nothing about other tools")]
    one = line.replicates[-1]
    most = 0.25 if not is_gpu else 0.1 if found["batch"] > 1 else 0.5
    rows = [in_turns(what + ": torch.utils.benchmark", median_s(line), found["benchmark_s"], found["benchmark_after_s"], most)]
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


def in_turns(what: str, own_s: float, before_s: float, after_s: float, most: float) -> Row:
    """The verdict on a time against another tool's before and after it; none where those two are too far apart to tell."""
    apart = max(before_s, after_s) / min(before_s, after_s) - 1
    if apart > most:
        said = "the machine changed: %.4g ms by the other tool before Dyno's %.4g, %.4g after it" % (
            1e3 * before_s,
            1e3 * own_s,
            1e3 * after_s,
        )
        return Row(what, NOT_REACHED, said)
    return compared(what, [("ms", 1e3 * own_s, 1e3 * (before_s + after_s) / 2, most)])


def line_of(lines: Sequence[Line], model: str, batch: int, backend: str = "pytorch", precision: str = "fp32") -> Optional[Line]:
    wanted = {"model": model, "batch_size": batch, "backend": backend, "precision": precision, "scenario": "latency"}
    for line in lines:
        if line.status == "ok" and all(getattr(line.cell, name) == value for name, value in wanted.items()):
            return line
    return None
