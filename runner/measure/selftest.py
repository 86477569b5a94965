"""What this platform can do, proven by doing it: a tiny network through every backend, precision and scenario that is here.

The rows come from the records of a real ``run`` in a process of its own, so that what is proven is what users run.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from typing import List, NamedTuple

from runner import __version__, backends
from runner.machine import environment
from runner.records import file as record_file
from runner.records.replicate import replicates_of

BUDGET_S = 180.0
FULL_BUDGET_S = 480.0
NETWORK = "runner.networks.tiny:network"
INPUT_PX = 32
PROTOCOL = (
    "{replicates: 1, min_samples: 10, max_time_s: 0.5, min_time_s: 0.1, warmup_max_s: 0.3, quiet_wait_s: 0, "
    "contention_retries: 0, anchor_from: 0, timeout_s: 90}"
)
PARITY = {"fp32": 1e-3, "tf32": 0.02}  # largest relative difference to the fp32 PyTorch reference; OTHER for coarser formats
OTHER_PARITY = 0.1
PRIVATE = ("host", "packages", "thread_env", "image", "container")  # facts of the machine that the file leaves out


class Row(NamedTuple):
    """One thing that was tried. ``verdict`` is ok, skipped, wrong or "not reached"; ``detail`` says why, or what was seen."""

    what: str
    verdict: str
    detail: str


class Step(NamedTuple):
    """A part of the matrix that is run in one go. ``precisions`` "all" are those that a backend says it has."""

    title: str
    model: str
    input_px: int
    precisions: str
    scenarios: List[str]
    batch_sizes: List[int]


QUICK = (
    Step("backends", NETWORK, INPUT_PX, "fp32", ["latency"], [1]),
    Step("precisions", NETWORK, INPUT_PX, "others", ["latency"], [1]),
    Step("scenarios", NETWORK, INPUT_PX, "fp32", ["throughput"], [1]),
)
FULL = QUICK + (
    Step("resnet18", "resnet18", 224, "all", ["latency"], [1, 8]),
    Step("mobilenet_v2", "mobilenet_v2", 224, "all", ["latency"], [1, 8]),
)


def run(folder, full=False, budget_s=None, report=None, names=None):
    # type: (str, bool, Optional[float], Any, Optional[List[str]]) -> Dict[str, Any]
    """Try everything within ``budget_s`` seconds; the result is ready for JSON: ``facts``, ``rows``, ``seconds``.

    ``folder`` takes the matrix, the networks' files and the records; ``report(row)`` is called as rows become known;
    ``names`` are the backends to try (default: all).
    """
    started = time.monotonic()
    budget_s = budget_s or (FULL_BUDGET_S if full else BUDGET_S)
    rows, facts = [], {}  # type: List[Row], Dict[str, Any]
    for number, step in enumerate(FULL if full else QUICK):
        for name in names or backends.names():
            precisions = _precisions(name, step.precisions)
            if not precisions or (backends.facts(name)["needs"] is None and step is not QUICK[0]):
                continue  # noop has no arithmetic to vary
            left_s = budget_s - (time.monotonic() - started)
            title = "%s, %s" % (name, step.title)
            devices = environment.declared_devices() or ["cpu"]
            if not set(devices).intersection(backends.facts(name)["devices"]):
                found = [Row(title, "skipped", "%s has no %s device" % (name, " or ".join(devices)))]
            elif left_s <= 0:
                found = [Row(title, "not reached", "the budget of %d s was spent" % budget_s)]
            else:
                found, facts = _measured(os.path.join(folder, "%d-%s" % (number, name)), folder, name, step, precisions, left_s, facts)
            for row in found:
                rows.append(row)
                if report:
                    report(row)
    for row in _sensors(facts):
        rows.append(row)
        if report:
            report(row)
    return {
        "dyno": __version__,
        "made_at": record_file.utc_now(),
        "full": full,
        "seconds": round(time.monotonic() - started, 1),
        "machine": hashlib.sha256(environment.host().encode("utf-8")).hexdigest()[:12],
        "platform": environment.platform_name(),
        "facts": {name: value for name, value in facts.items() if name not in PRIVATE and not name.startswith("sensors")},
        "rows": [row._asdict() for row in rows],
    }


def _precisions(backend, which):
    # type: (str, str) -> List[str]
    known = list(backends.facts(backend)["precisions"])
    if which == "fp32":
        return [name for name in known if name == "fp32"] or known[:1]
    return known if which == "all" else [name for name in known if name != "fp32"]


def _measured(results, cache, backend, step, precisions, left_s, facts):
    # type: (str, str, str, Step, List[str], float, Dict[str, Any]) -> Any
    """(rows of the cells of one backend in one step, facts of the machine that the run recorded)."""
    os.makedirs(results, exist_ok=True)
    matrix = os.path.join(results, "matrix.yaml")
    with open(matrix, "w") as file:
        file.write("protocol: %s\naxes:\n" % PROTOCOL)
        axes = dict(backend=[backend], model=[step.model], precision=precisions, scenario=step.scenarios)
        axes.update(batch_size=step.batch_sizes, input_px=[step.input_px])  # type: ignore
        for name, values in axes.items():
            file.write("  %s: %s\n" % (name, json.dumps(values)))
    command = [sys.executable, "-m", "runner", "run", "--matrix", matrix, "--results", results, "--cache", os.path.join(cache, "cache")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    ended = True
    try:
        _, said = process.communicate(timeout=max(1.0, left_s))
    except subprocess.TimeoutExpired:
        process.terminate()
        _, said = process.communicate()
        ended = False
    lines = []  # type: List[Dict[str, Any]]
    records = os.path.join(results, "records")
    for name in sorted(os.listdir(records)) if os.path.isdir(records) else []:
        if name.endswith(".jsonl"):
            lines += record_file.read(os.path.join(records, name))[0]
    facts = next((line["environment"] for line in lines if line.get("kind") == "environment"), facts)
    rows = [_judged(line) for line in lines if line.get("kind") == "cell"]
    if not ended:
        rows.append(Row("%s, %s" % (backend, step.title), "not reached", "the budget was spent"))
    elif not rows:
        text = said.decode("utf-8", "replace").strip().splitlines()
        rows.append(Row("%s, %s" % (backend, step.title), "wrong", text[-1] if text else "the run left no record"))
    return rows, facts


def _judged(line):
    # type: (Dict[str, Any]) -> Row
    """The verdict on a cell's record."""
    cell = line["cell"]
    what = "%(backend)s %(precision)s %(scenario)s on %(device)s, batch %(batch_size)d" % cell
    if cell["model"] != NETWORK:
        what = "%s, %s" % (cell["model"], what)
    if line["status"] == "skipped":
        return Row(what, "skipped", str(line["reason"]))
    if line["status"] != "ok" or not line["replicates"]:
        return Row(what, "wrong", "expected a measurement: %s" % line["reason"])
    replicate = replicates_of(line)[-1]
    ran = replicate.executed.get("precision")
    if ran is not None and ran != cell["precision"]:
        return Row(what, "wrong", "expected %s, but %s was executed" % (cell["precision"], ran))
    parity, limit = line.get("parity"), PARITY.get(cell["precision"], OTHER_PARITY)
    if parity and not (parity["max_rel"] is not None and parity["max_rel"] <= limit):
        return Row(what, "wrong", "expected outputs within %g of the reference, found %s" % (limit, parity["max_rel"]))
    samples = sorted(replicate.samples_s)
    return Row(what, "ok", "%.3g ms%s" % (1e3 * samples[len(samples) // 2], "" if parity else ", outputs not compared"))


def _sensors(facts):
    # type: (Dict[str, Any]) -> List[Row]
    """A row per sensor, from what the run found at rest."""
    rows = [Row("sensor " + name, "skipped", str(reason)) for name, reason in sorted((facts.get("sensors_absent") or {}).items())]
    for name, readings in sorted((facts.get("sensors_at_rest") or {}).items()):
        seen = sorted(key for key, value in (readings or {}).items() if isinstance(value, (int, float)))
        rows.append(
            Row("sensor " + name, "ok" if seen else "wrong", ", ".join(seen) or "expected readings: %s" % (readings or {}).get("reason"))
        )
    return rows
