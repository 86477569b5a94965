"""Dyno side by side with other tools on the same files, threads and sizes, interleaved in one run.

    python benchmarks/peers.py [--model resnet18] [--repeat 7] [--busy 0,1,2] [--out table.md]

Peers: torch.utils.benchmark, pyperf and MLPerf LoadGen (ONNX Runtime), OpenVINO's benchmark_app. Each measurement is a
process of its own; before each, the others must have left the CPU quiet. What it prints goes into README by hand.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from runner import contention, interchange, models, threads

TORCH = """
import sys, torch, json
sys.path.insert(0, {root!r})
from runner import interchange, models
from torch.utils.benchmark import Timer
art = interchange.artefact({cache!r}, models.ModelSpec({model!r}), 0, {batch}, {px})
m, x = art.module(), torch.from_numpy(art.batch())
with torch.inference_mode():
    timer = Timer("m(x)", globals=dict(m=m, x=x), num_threads={threads})
    print(json.dumps(dict(median=timer.adaptive_autorange(threshold=0.1, min_run_time={budget}, max_run_time=2 * {budget}).median)))
"""

PYPERF = """
import os, sys
sys.path.insert(0, {root!r})
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime, pyperf
from runner import interchange, models
art = interchange.artefact({cache!r}, models.ModelSpec({model!r}), 0, {batch}, {px})
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.inter_op_num_threads = {threads}, 1
session = onnxruntime.InferenceSession(art.onnx_path, options, providers=["CPUExecutionProvider"])
feeds = {{session.get_inputs()[0].name: art.batch()}}
runner = pyperf.Runner(processes=3, values=5, warmups=1, loops=10)
runner.bench_func("onnxruntime", session.run, None, feeds)
"""

LOADGEN = """
import os, sys, json, array
sys.path.insert(0, {root!r})
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime, mlperf_loadgen as lg
from runner import interchange, models
art = interchange.artefact({cache!r}, models.ModelSpec({model!r}), 0, {batch}, {px})
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.inter_op_num_threads = {threads}, 1
session = onnxruntime.InferenceSession(art.onnx_path, options, providers=["CPUExecutionProvider"])
feeds = {{session.get_inputs()[0].name: art.batch()}}
def issue(samples):
    for sample in samples:
        session.run(None, feeds)
        lg.QuerySamplesComplete([lg.QuerySampleResponse(sample.id, 0, 0)])
sut, qsl = lg.ConstructSUT(issue, lambda: None), lg.ConstructQSL(8, 8, lambda s: None, lambda s: None)
settings = lg.TestSettings()
settings.scenario, settings.mode = lg.TestScenario.SingleStream, lg.TestMode.PerformanceOnly
settings.min_duration_ms, settings.min_query_count = int(1000 * {budget}), 64
out, log = lg.LogOutputSettings(), lg.LogSettings()
out.outdir, out.copy_summary_to_stdout = {folder!r}, False
log.log_output = out
lg.StartTestWithLogSettings(sut, qsl, settings, log)
lg.DestroyQSL(qsl); lg.DestroySUT(sut)
for line in open(os.path.join({folder!r}, "mlperf_log_summary.txt")):
    name, _, value = line.partition(":")
    if name.strip().startswith("50.00 percentile latency"):
        print(json.dumps(dict(median=int(value) / 1e9, valid=None)))
"""


def _python(code):
    out = subprocess.check_output([sys.executable, "-c", code], stderr=subprocess.DEVNULL, cwd=ROOT)
    return json.loads(out.decode().strip().splitlines()[-1])["median"]


def torch_benchmark(case):
    return _python(TORCH.format(**case))


def loadgen(case):
    with tempfile.TemporaryDirectory() as folder:
        return _python(LOADGEN.format(**dict(case, folder=folder)))


def pyperf(case):
    with tempfile.TemporaryDirectory() as folder:
        script, out = os.path.join(folder, "bench.py"), os.path.join(folder, "out.json")
        with open(script, "w") as file:
            file.write(PYPERF.format(**case))
        subprocess.check_call([sys.executable, script, "-o", out, "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        import pyperf as library

        return library.BenchmarkSuite.load(out).get_benchmarks()[0].median()


def benchmark_app(case):
    art = artefact(case)
    with tempfile.TemporaryDirectory() as folder:
        command = [os.path.join(os.path.dirname(sys.executable), "benchmark_app"), "-m", art.onnx_path, "-d", "CPU", "-hint", "latency"]
        command += [
            "-api",
            "sync",
            "-t",
            str(int(case["budget"])),
            "-infer_precision",
            "f32",
        ]  # it takes no threads beside a hint: all CPUs
        command += ["-report_type", "no_counters", "-report_folder", folder, "-json_stats"]
        subprocess.check_call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(os.path.join(folder, "benchmark_report.json")) as file:
            return float(json.load(file)["execution_results"]["latency (ms)"]) / 1e3


def dyno(backend):
    def measure(case):
        with tempfile.TemporaryDirectory() as folder:
            matrix = os.path.join(folder, "matrix.yaml")
            protocol = (
                "{replicates: 3, max_time_s: %g, min_time_s: %g, warmup_max_s: 1, interval: 0.005, quiet_wait_s: 5, contention_retries: %d}"
            )
            budget = case["budget"] / 3.0
            with open(matrix, "w") as file:
                file.write("protocol: " + protocol % (budget, budget / 2, 0 if case["busy"] else 2) + "\n")
                file.write(
                    "axes: {backend: %s, model: %s, batch_size: %d, input_px: %d}\n" % (backend, case["model"], case["batch"], case["px"])
                )
            command = [sys.executable, "-m", "runner", "run", "-m", matrix, "-r", folder, "--cache", case["cache"]]
            subprocess.check_call(command, cwd=ROOT, stdout=subprocess.DEVNULL)
            (name,) = os.listdir(os.path.join(folder, "records"))
            with open(os.path.join(folder, "records", name)) as file:
                line = [record for record in map(json.loads, file) if record["kind"] == "cell"][-1]
        if line["status"] != "ok":
            sys.exit("dyno: %s" % line["reason"])
        case["labels"].append("contended" in line["quality"])
        case["records"].append(line)
        return statistics.median(statistics.median(replicate["samples_s"]) for replicate in line["replicates"])

    return measure


TOOLS = [
    # name, framework, function
    ("dyno", "pytorch", dyno("pytorch")),
    ("torch.utils.benchmark", "pytorch", torch_benchmark),
    ("dyno", "onnxruntime", dyno("onnxruntime")),
    ("pyperf", "onnxruntime", pyperf),
    ("MLPerf LoadGen", "onnxruntime", loadgen),
    ("dyno", "openvino", dyno("openvino")),
    ("benchmark_app", "openvino", benchmark_app),
]


def artefact(case):
    return interchange.artefact(case["cache"], models.ModelSpec(case["model"]), 0, case["batch"], case["px"])


def busy(count):
    """Processes that do nothing but take a CPU each."""
    return [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]


def rounds(case, count, beside):
    """Every tool once a round, in turn: {(tool, framework): [(seconds, wall)]}."""
    found = {}
    for index in range(count):
        for name, framework, function in TOOLS:
            if not beside:
                contention.wait_for_quiet(0.08, 60)
            others = busy(beside)
            try:
                started = time.monotonic()
                seconds = function(case)
                found.setdefault((name, framework), []).append((seconds, time.monotonic() - started))
            finally:
                for process in others:
                    process.kill()
                    process.wait()
            print("  round %d  %-22s %-12s %8.3f ms" % (index + 1, name, framework, 1e3 * seconds), file=sys.stderr)
    return found


def table(found, beside, labels):
    rows = ["", "%d busy processes beside" % beside, ""]
    rows += ["| tool | framework | median ms | dyno against it | run-to-run CV | wall s |", "| --- | --- | --- | --- | --- | --- |"]
    for (name, framework), values in found.items():
        seconds = [value for value, _ in values]
        own = [value for value, _ in found["dyno", framework]]
        # pair by pair within a round, so that drift of the machine cancels
        ratio = statistics.median(mine / theirs for mine, theirs in zip(own, seconds))
        cv = statistics.stdev(seconds) / statistics.mean(seconds) if len(seconds) > 1 else float("nan")
        agreement = "" if name == "dyno" else "%+.1f %%" % (100 * (ratio - 1))
        cells = (name, framework, 1e3 * statistics.median(seconds), agreement, 100 * cv, statistics.median(wall for _, wall in values))
        rows.append("| %s | %s | %.3f | %s | %.1f %% | %.1f |" % cells)
    rows += ["", "dyno labelled %d of %d cells contended" % (sum(labels), len(labels))]
    return "\n".join(rows)


def overheads(records):
    from runner import run

    share = [line["harness"]["supervisor_cpu_s"] + line["harness"]["worker_cpu_s"] for line in records]
    measured = [sum(replicate["spans"]["process_s"] for replicate in line["replicates"]) for line in records]
    extra = run.overhead_s(records)
    return "dyno's overhead per measuring process: %.2f s; harness CPU over measuring processes' wall: %.1f %%" % (
        extra,
        100 * sum(share) / sum(measured),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--px", type=int, default=224)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--budget", type=float, default=3.0, help="seconds of measuring per tool and round")
    parser.add_argument("--busy", default="0", help="busy processes beside: 0,1,2 runs all three")
    parser.add_argument("--cache", default=os.path.join(ROOT, "results", "cache"))
    parser.add_argument("--framework", default="pytorch,onnxruntime,openvino")
    parser.add_argument("--out", help="also write the tables to this file")
    given = parser.parse_args()
    case = dict(model=given.model, batch=given.batch, px=given.px, budget=given.budget, cache=os.path.abspath(given.cache))
    TOOLS[:] = [tool for tool in TOOLS if tool[1] in given.framework.split(",")]
    case.update(threads=threads.usable_cpus(), root=ROOT, busy=0, labels=[], records=[])
    os.makedirs(case["cache"], exist_ok=True)
    interchange.make(artefact(case), "onnx")
    text = ["%s, batch %d, %d px, fp32, %d threads" % (given.model, given.batch, given.px, case["threads"])]
    for beside in (int(word) for word in given.busy.split(",")):
        case.update(busy=beside, labels=[], records=[])
        found = rounds(case, given.repeat, beside)
        text += [table(found, beside, case["labels"]), overheads(case["records"])]
    print("\n".join(text))
    if given.out:
        with open(given.out, "w") as file:
            file.write("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
