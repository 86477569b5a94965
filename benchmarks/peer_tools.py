"""The tools that peers.py sets side by side: each is a function case -> Reading, run in a process of its own."""

import glob
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SCRIPTS = os.path.join(ROOT, "benchmarks", "peer_scripts")
sys.path.insert(0, ROOT)

from runner.machine import contention
from runner.networks import artefact
from runner.networks.spec import ModelSpec

PYPERF = {"processes": 3, "rounds": 6}  # of each process: one warm-up and five values
PARTS = 3  # Dyno's replicates


@dataclass(frozen=True)
class Case:
    """What is measured, the same for every tool. ``budget`` is seconds of measuring, ``seconds`` what one inference took last (0: unknown)."""

    model: str
    batch: int
    px: int
    threads: int
    cache: str
    budget: float = 3.0
    busy: int = 0
    seconds: float = 0.0
    pythons: dict = field(default_factory=dict)  # of the tools that live elsewhere

    def artefact(self) -> artefact.Artefact:
        return artefact.in_cache(self.cache, ModelSpec(self.model), 0, self.batch, self.px)

    def json(self, **more: object) -> str:
        names = ("model", "batch", "px", "threads", "cache", "budget")
        return json.dumps({"root": ROOT, **{name: getattr(self, name) for name in names}, **more})


@dataclass(frozen=True)
class Reading:
    """Median seconds of one batch as the tool reports it, what the tool says of the circumstances, and Dyno's own records."""

    seconds: float
    says: str = ""
    records: tuple[dict, ...] = ()


@dataclass(frozen=True)
class Tool:
    name: str
    framework: str
    measure: Callable[[Case], Reading]
    least: float = 0.5  # the smallest budget that it takes, s
    parts: int = 1  # measurements that share its wall time, spread over the round


def _script(name: str, case: Case, python: str = sys.executable, **more: object) -> Reading:
    command = [python, os.path.join(SCRIPTS, name), case.json(**more)]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder, text=True)
    if done.returncode:
        raise ToolError(done.stderr)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return Reading(found["median"], found.get("says", ""))


class ToolError(Exception):
    """A tool could not measure; its last line says why."""

    def __init__(self, text: str) -> None:
        super().__init__((text.strip().splitlines() or ["it said nothing"])[-1])


def torch_timer(case: Case) -> Reading:
    return _script("torch_timer.py", case)


def loadgen(case: Case) -> Reading:
    with tempfile.TemporaryDirectory() as folder:
        return _script("loadgen_ort.py", case, folder=folder)


def pyperf(case: Case) -> Reading:
    import pyperf as library

    loops = max(1, round(case.budget / (case.seconds * PYPERF["processes"] * PYPERF["rounds"]))) if case.seconds else 10
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.json")
        command = [sys.executable, os.path.join(SCRIPTS, "pyperf_ort.py"), "-o", out, "--quiet", "--inherit-environ", "DYNO_PEER_CASE"]
        environment = {**os.environ, "DYNO_PEER_CASE": case.json(loops=loops)}
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
        if done.returncode:
            raise ToolError(done.stderr)
        return Reading(library.BenchmarkSuite.load(out).get_benchmarks()[0].median())


def benchmark_app(case: Case) -> Reading:
    """It takes no number of threads beside a hint: all CPUs. Its default precision may be bf16: fp32 is asked for."""
    program = os.path.join(os.path.dirname(sys.executable), "benchmark_app")
    with tempfile.TemporaryDirectory() as folder:
        what = ["-m", case.artefact().onnx_path, "-d", "CPU", "-hint", "latency", "-api", "sync", "-infer_precision", "f32"]
        how = ["-t", str(max(1, round(case.budget))), "-report_type", "no_counters", "-report_folder", folder, "-json_stats"]
        done = subprocess.run([program, *what, *how], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise ToolError(done.stderr)
        with open(os.path.join(folder, "benchmark_report.json")) as file:
            return Reading(float(json.load(file)["execution_results"]["latency (ms)"]) / 1e3)


def timm_script(case: Case) -> Reading:
    """timm's benchmark.py, which is not in its wheel: 224 px instead of the network's own, weights that are not degenerate."""
    count = max(10, round(case.budget / case.seconds)) if case.seconds else 100
    what = ["--model", case.model, "--img-size", str(case.px), "--batch-size", str(case.batch), "--bench", "inference", "--device", "cpu"]
    how = ["--num-bench-iter", str(count), "--model-kwargs", "zero_init_last=False"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(case.threads), "HF_HUB_OFFLINE": "1"}
    command = [case.pythons["timm python"], case.pythons["timm"], *what, *how]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    if done.returncode or "--result" not in done.stdout:
        raise ToolError(done.stderr)
    found = json.loads(done.stdout.split("--result", 1)[1])
    return Reading((found[0] if isinstance(found, list) else found)["infer_step_time"] / 1e3)


def optimum(launcher: str) -> Callable[[Case], Reading]:
    return lambda case: _script("optimum_timm.py", case, python=case.pythons["optimum"], launcher=launcher)


def dyno(backend: str) -> Callable[[Case], Reading]:
    """One replicate: peers.py spreads several over the round, as `dyno run` spreads them over a sweep."""

    def measure(case: Case) -> Reading:
        (record,) = dyno_sweep(case, {"backend": backend, "model": case.model, "batch_size": case.batch, "input_px": case.px}, 1)
        (replicate,) = record["replicates"]
        return Reading(statistics.median(replicate["samples_s"]), "contended" if "contended" in record["quality"] else "", (record,))

    return measure


def dyno_sweep(case: Case, axes: dict, replicates: int) -> list[dict]:
    """Records of one ``dyno run`` over the axes, the budget shared by the replicates."""
    share = case.budget / replicates
    protocol = {"replicates": replicates, "max_replicates": replicates, "max_time_s": share, "min_time_s": share / 2}
    protocol |= {"warmup_max_s": min(1.0, share), "interval": 0.005}
    # peers.py waits for quiet itself; nothing is repeated, so that a round costs what it costs
    protocol.update(quiet_wait_s=0, contention_retries=0)
    with tempfile.TemporaryDirectory() as folder:
        matrix = os.path.join(folder, "matrix.yaml")
        with open(matrix, "w") as file:
            json.dump({"protocol": protocol, "axes": axes}, file)  # JSON is YAML
        command = [sys.executable, "-m", "runner", "run", "-m", matrix, "-r", folder, "--cache", case.cache]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        (path,) = glob.glob(os.path.join(folder, "records", "*.jsonl"))
        with open(path) as file:
            found = [record for record in map(json.loads, file) if record["kind"] == "cell" and record["role"] == "cell"]
    for record in found:
        if record["status"] != "ok":
            raise ToolError("dyno: %s" % record["reason"])
    return found


def tools(pythons: dict) -> list[Tool]:
    """All that can run here: those with an environment of their own only where its path is given."""
    found = [Tool("dyno", "pytorch", dyno("pytorch"), 1.0, PARTS), Tool("torch.utils.benchmark", "pytorch", torch_timer)]
    if "timm" in pythons:
        found.append(Tool("timm benchmark.py", "pytorch", timm_script))
    if "optimum" in pythons:
        found += [Tool("optimum-benchmark, " + name, "pytorch", optimum(name), 1.0) for name in ("inline", "process")]
    return [
        *found,
        Tool("dyno", "onnxruntime", dyno("onnxruntime"), 1.0, PARTS),
        Tool("pyperf", "onnxruntime", pyperf),
        Tool("MLPerf LoadGen", "onnxruntime", loadgen),
        Tool("dyno", "openvino", dyno("openvino"), 1.0, PARTS),
        Tool("benchmark_app", "openvino", benchmark_app, 1.0),
    ]


def wait_for_quiet(limit_s: float = 60.0) -> None:
    contention.wait_for_quiet(0.08, limit_s)
