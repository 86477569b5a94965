"""The part for every machine: backends first, then precisions, scenarios and sensors, on a tiny network."""

from typing import Any, Dict, List, Sequence

from runner import backends
from runner.measure.selftest.rows import NETWORK, OK, SKIPPED, WRONG, Row
from runner.measure.selftest.trial import Trial
from runner.plan.sections import PRECISIONS
from runner.records.line import Line

INPUT_PX = 32


def usable(trial: Trial, names: Sequence[str]) -> List[str]:
    """The backends that have a device here; a row for each that hasn't."""
    found = []
    for name in names:
        if set(trial.devices).intersection(backends.declared(name).devices):
            found.append(name)
        else:
            trial.leave_out(name, "%s has no %s device" % (name, " or ".join(trial.devices)))
    return found


def run(trial: Trial, names: Sequence[str]) -> List[str]:
    """Rows of the quick part; the backends that computed something."""
    trial.heading("backends")
    here = usable(trial, names)
    base = {"model": [NETWORK], "input_px": [INPUT_PX], "batch_size": [1]}  # type: Dict[str, List[Any]]
    lines = trial.measure("backends", [dict(base, backend=[name], precision=_first(name)) for name in here]) if here else []
    running = [name for name in here if backends.available(name) is None and backends.declared(name).needs is not None]
    if running:
        trial.heading("precisions")
        others = [
            (name, [one for one in PRECISIONS if one in backends.declared(name).precisions and [one] != _first(name)]) for name in running
        ]
        blocks = [dict(base, backend=[name], precision=precisions) for name, precisions in others if precisions]
        lines += trial.measure("precisions", blocks) if blocks else []
        trial.heading("throughput")
        blocks = [dict(base, backend=[name], precision=_first(name), scenario=["throughput"]) for name in running]
        lines += trial.measure("throughput", blocks)
    trial.heading("sensors")
    for row in sensors(trial.facts) + energy(lines) + gpu(lines):
        trial.add(row)
    return [name for name in running if any(line.status == "ok" and line.cell.backend == name for line in lines)]


def _first(backend: str) -> List[str]:
    known = list(backends.declared(backend).precisions)
    return [name for name in known if name == "fp32"] or known[:1]


def sensors(facts: Dict[str, Any]) -> List[Row]:
    """A row per sensor, from what the run found at rest."""
    rows = [Row("sensor " + name, SKIPPED, str(reason)) for name, reason in sorted((facts.get("sensors_absent") or {}).items())]
    for name, readings in sorted((facts.get("sensors_at_rest") or {}).items()):
        seen = sorted(key for key, value in (readings or {}).items() if isinstance(value, (int, float)))
        rows.append(
            Row("sensor " + name, OK if seen else WRONG, ", ".join(seen) or "expected readings: %s" % (readings or {}).get("reason"))
        )
    return rows


def energy(lines: Sequence[Line]) -> List[Row]:
    """Whether cells have an energy wherever a sensor of energy is there: the window must be long enough for it."""
    told, reasons = 0, []  # type: int, List[str]
    for line in lines:
        for replicate in line.replicates:
            for values in replicate.sensors.values():
                if isinstance(values, dict) and "energy_j" in values:
                    told += values["energy_j"] is not None
                    reasons += [] if values["energy_j"] is not None else [str(values.get("reason"))]
    if not told and not reasons:
        return []
    return [Row("energy of short cells", WRONG if reasons else OK, reasons[0] if reasons else "%d of %d readings" % (told, told))]


def gpu(lines: Sequence[Line]) -> List[Row]:
    """What is known of the GPU in every cell that ran on one: its libraries, its memory, that NVML and CUDA mean the same one."""
    found = [replicate for line in lines if line.cell.device == "gpu" for replicate in line.replicates]
    if not found:
        return []
    rows = []
    libraries: Dict[str, Any] = next((one.executed["libraries"] for one in found if one.executed.get("libraries")), {})
    detail = ", ".join("%s %s" % pair for pair in sorted(libraries.items()))
    missing = sorted({"cudart", "cudnn", "cublas"} - {name for name, version in libraries.items() if version})
    rows.append(
        Row(
            "CUDA's libraries as loaded",
            WRONG if missing else OK,
            "expected %s too; %s" % (", ".join(missing), detail) if missing else detail,
        )
    )
    pairs = {(one.executed.get("gpu_uuid"), (one.sensors.get("nvml") or {}).get("uuid")) for one in found}
    same = all(ours is not None and ours == nvmls for ours, nvmls in pairs)
    rows.append(
        Row("NVML's GPU is CUDA's", OK if same else WRONG, "the same UUID" if same else "expected one UUID, found %d pairs" % len(pairs))
    )
    steady = [(one.gpu_memory or {}).get("steady_bytes") for one in found]
    known = [value for value in steady if value]
    reason = next((str((one.gpu_memory or {}).get("reason")) for one in found if not (one.gpu_memory or {}).get("steady_bytes")), "")
    rows.append(
        Row(
            "GPU memory of the tiny network",
            OK if len(known) == len(steady) else WRONG,
            "steady %.0f to %.0f MiB" % (min(known) / 2.0**20, max(known) / 2.0**20) if len(known) == len(steady) else reason,
        )
    )
    locked = {str((one.sensors.get("nvml") or {}).get("clocks_locked")) for one in found}
    rows.append(Row("GPU clocks", OK, "locked: %s" % ", ".join(sorted(locked))))
    return rows
