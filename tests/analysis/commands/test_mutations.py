"""Broken record lines, matrices, logs and ONNX headers: each is taken or refused in a line, in bounded time, and no good record is lost."""

import json
import os
import random
import resource
import signal
import time
import warnings
from pathlib import Path

import pytest
import records
import yaml
from typer.testing import CliRunner

from analysis import importers, registry
from analysis.errors import ImporterError
from analysis.frame import frame as frames
from analysis.merge import table as cached
from runner import cli
from runner.errors import MatrixError, Unprepared
from runner.measure import history
from runner.networks import artefact, interchange
from runner.networks.spec import ModelSpec
from runner.plan import matrix, plan
from runner.records import accuracy_totals
from tests.analysis import mutations

MANY = pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(1800)])  # each seeded by its count
LIMIT_S, LIMIT_MIB = 10.0, 600
ROOT = Path(__file__).parents[3]
MATRIX = yaml.safe_dump({
    "protocol": {"seed": 1, "replicates": 1, "interval": 0.01, "weights": "random"},
    "axes": {"backend": ["noop"], "model": ["resnet18", {"name": "alexnet", "label": "mine", "num_classes": 10}], "batch_size": [1, 8], "input_px": 64},
    "exclude": [{"when": {"device": "myriad", "batch_size": [2, 4]}, "reason": "batch 1 only"}],
    "profiles": {"quick": {"protocol": {"replicates": 1}, "axes": [{}, {"scenario": "throughput"}]}},
    "accuracy": {"data": "images", "mean": [0.4, 0.4, 0.4]},
})  # fmt: skip
LOGS = {
    "trtexec": "&&&& RUNNING TensorRT.trtexec [TensorRT v8502] # trtexec --onnx=\"C:\\nets\\my net.onnx\" --fp16\n[I] Precision: FP32+FP16\n[I] Input binding for x with"
    " dimensions 1x3x224x224 is created.\nThroughput: 812.5 qps\nGPU Compute Time: min = 1.1 ms, max = 1.8 ms, mean = 1.2 ms, median = 1.2 ms, percentile(99%) = 1.6 ms\n",
    "benchmark_app": "[ INFO ] Device info\n         MYRIAD\n[ INFO ] Network batch size: 1\n[ INFO ] Network input 'data' precision U8, dimensions (NCHW): 1 3 224 224\n"
    "Start inference asynchronously, 4 inference requests, limits\nCount:      2964 iterations\nLatency:    80.91 ms\nThroughput: 49.30 FPS\n",
    "benchmark_app:table": "Command line parameters\nm;a.xml\n\nConfiguration setup\ntopology;a\ntarget device;CPU\nbatch size;1\nnumber of parallel infer requests;4\n\n"
    "Execution results\nload network time (ms);20,50\nlatency (ms);12,5\nthroughput;80,04\n",
    "benchmark_app:json": '{"cmd_options": {"-m": "a.xml", "-infer_precision": "f32"}, "configuration_setup": {"target device": "CPU", "batch size": "4", "number of parallel'
    ' infer requests": "4"}, "execution_results": {"compile model time (ms)": "53.03", "latency (ms)": "2.00", "throughput": "8000.0"}}',
    "loadgen": "Scenario : SingleStream\nMode     : Performance\nResult is : VALID\n50.00 percentile latency (ns)   : 75739770\n90.00 percentile latency (ns)   : 77975401\n",
    "table": "model;batch_size;latency_ms;top1;input_px\nresnet18;1;12,5;69,76;224\nresnet50;8;31,25 ms;76,13 %;\nvgg11;;OOM;-3;1 024\n",
    "timm": "model,infer_samples_per_sec,infer_step_time,infer_batch_size,infer_img_size,param_count,infer_gmacs\nresnet18,1000.5,255.9,256,224,11.69,1.82\n",
}  # fmt: skip

FILES = {  # what each is called
    "trtexec": "a.log",
    "benchmark_app": "a.txt",
    "benchmark_app:table": "benchmark_report.csv",
    "benchmark_app:json": "a.json",
    "loadgen": "mlperf_log_summary.txt",
    "table": "a.csv",
    "timm": "benchmark-infer-amp-nchw-pt200-cu118-rtx3090.csv",
}


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.fixture(autouse=True)
def _bounded(monkeypatch):
    """No input takes long, nor much memory."""
    monkeypatch.setenv("DYNO_HOST", "here")
    before = peak_mib()
    yield
    assert peak_mib() < before + LIMIT_MIB


def lines(rng, count):
    """(good lines, broken lines) of a record file, of every kind."""
    good = [records.environment_record("cpu", run=f"env{number}") for number in range(3)]
    good += [
        records.cell_record("cpu", "noop", name, samples=5, replicates=2, input_px=64, run="env1")
        for name in ("resnet18", "alexnet", "vgg11")
    ]
    with open(ROOT / "tests" / "data" / "records-v2.jsonl") as file:
        kept = [json.loads(line) for line in file]
    with open(ROOT / "tests" / "data" / "records-v1.jsonl") as file:
        kept += [json.loads(line) for line in file]
    row = {
        "platform": "p",
        "model": "resnet18",
        "cell_id": "c",
        "latency_s": 0.1,
        "batch_size": 1,
        "top1": 69.8,
        "quality": ["imported"],
        "source": "table",
    }
    part = {
        "data": "d",
        "data_id": "1",
        "network": "n",
        "preprocessing": {},
        "first": 0,
        "last": 5,
        "images": 5,
        "unreadable": 0,
        "not_finite": 0,
        "top1": 3,
        "top5": 4,
    }
    kept += [{"schema_version": 2, "kind": "imported", "id": "table:1", "row": row}]
    kept += [{**good[3], "kind": "accuracy", "id": "accuracy", "accuracy": part}]
    broken = []
    for number in range(count):
        line = rng.choice(kept + good)
        if rng.random() < 0.5:
            line = mutations.tree(line | {"id": f"bad/{number}"}, rng)
            broken.append(json.dumps(line).encode())
        else:
            broken.append(mutations.data(json.dumps(line | {"id": f"bad/{number}"}).encode(), rng).replace(b"\n", b"").replace(b"\r", b""))
    return [json.dumps(line).encode() for line in good], broken


@pytest.mark.parametrize("count", [75, MANY])
def test_broken_record_lines_lose_no_good_record_and_stop_no_command(tmp_path, count):
    rng = random.Random(count)
    good, broken = lines(rng, count)
    everything = broken + good
    rng.shuffle(everything)
    path = tmp_path / "records" / "cpu-here.jsonl"
    path.parent.mkdir()
    path.write_bytes(b"\n".join(everything) + b"\n")
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    begin = time.process_time()
    for command in ("plan", "status"):
        result = CliRunner().invoke(cli.app, [command, "-m", str(tmp_path / "matrix.yaml"), "-r", str(tmp_path)])
        assert result.exit_code == 0 and "unexpected" not in result.output, result.output
    ids = {json.loads(line)["id"] for line in good if b'"cell"' in line}
    found = history.read(str(path)).last
    assert {"resnet18", "alexnet", "vgg11"} <= {cell.model for cell in found}
    accuracy_totals.history(str(path))
    wanted = {one for one in ids if not one.startswith("env")}
    assert wanted <= set(frames.merge([path]).frame["record_id"])
    opened = cached.open_table([path.parent], tmp_path / "cache")
    assert wanted <= {one for (one,) in opened.connection.execute("SELECT record_id FROM rows").fetchall()}
    opened.close()
    assert time.process_time() - begin < LIMIT_S + count / 50


@pytest.mark.parametrize("count", [75, MANY])
def test_broken_matrices_are_planned_or_refused_in_a_line(tmp_path, count):
    rng, refused = random.Random(count), 0
    for _ in range(count):
        text = mutations.data(MATRIX.encode(), rng).decode("utf-8", "replace")
        if rng.random() < 0.5:
            text = yaml.dump(mutations.tree(yaml.safe_load(MATRIX), rng))
        begin = time.process_time()
        try:
            planned = plan.plan(matrix.parse(text), "cpu", ("cpu",))
            assert all(cell.id for cell in planned.cells)
        except MatrixError as error:
            refused += 1
            assert "\n" not in str(error) and len(str(error)) < 500 and str(error).isprintable()
        assert time.process_time() - begin < LIMIT_S
    assert 0 < refused < count


@pytest.mark.parametrize("count", [75, MANY])
def test_broken_logs_and_tables_are_imported_or_refused_in_a_line(tmp_path, count):
    rng, refused = random.Random(count), 0
    for number in range(count):
        kind = sorted(LOGS)[number % len(LOGS)]
        path = tmp_path / FILES[kind]
        path.write_bytes(mutations.data(LOGS[kind].encode(), rng))
        begin = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                frame = registry.load(importers, kind.partition(":")[0]).read(path)
                assert (frame["latency_s"] > 0).all() and (frame["batch_size"] >= 1).all()
                shares = frame["top1"].dropna()
                assert ((shares >= 0) & (shares <= 100)).all()
            except ImporterError as error:
                refused += 1
                assert len(str(error)) < 1300
        assert time.process_time() - begin < LIMIT_S, path.read_bytes()[:2000]
    assert 0 < refused < count


@pytest.mark.parametrize("line", [
    "Input binding for x with dimensions " + "1x3x" * 10000, "--onnx=" + "\\ " * 20000, "GPU Compute Time: " + "median = " * 5000, "Latency: " + " " * 40000,
    "--shapes=" * 5000, "Precision: " + "FP32+" * 8000, "9" * 40000, "[ INFO ] Device info" + "\n" * 40000, "Median:" * 6000, "\t" * 40000, "Scenario" + " " * 40000 + ":",
    "50.00 percentile latency (ns) : " + "9" * 40000, "model;" * 8000, "'" * 40000, "resnet18;" + "1 " * 20000, "-m " * 13000, "a.b" * 13000, "Build" + "." * 40000,
])  # fmt: skip
@pytest.mark.parametrize("kind", sorted(LOGS))
def test_a_line_of_forty_kilobytes_takes_no_longer_than_its_length(tmp_path, kind, line):
    path = tmp_path / FILES[kind]
    path.write_text(LOGS[kind] + line + "\n" + line)
    begin = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            registry.load(importers, kind.partition(":")[0]).read(path)
        except ImporterError:
            pass
    assert time.process_time() - begin < 1.5


def headers():
    """Small ONNX files to break: one of each form that is known."""
    from onnx import TensorProto, helper

    made = []
    for kind, shape in ((TensorProto.FLOAT, [1, 3, 8, 8]), (TensorProto.UINT8, ["n", 8, 8, 3]), (TensorProto.FLOAT16, [1, 3, None, None])):
        nodes = [
            helper.make_node("Cast", ["x"], ["c"], to=1),
            helper.make_node("ReduceMean", ["c"], ["m"], axes=[2, 3], keepdims=0),
            helper.make_node("Gemm", ["m", "w"], ["y"]),
        ]
        weight = helper.make_tensor("w", TensorProto.FLOAT, [3, 10], [0.5] * 30)
        graph = helper.make_graph(
            nodes, "g", [helper.make_tensor_value_info("x", kind, shape)], [helper.make_tensor_value_info("y", 1, ["n", 10])], [weight]
        )
        made.append(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7).SerializeToString())
    return made


@pytest.mark.parametrize("count", [75, MANY])
def test_broken_onnx_headers_are_understood_or_refused_in_a_line(tmp_path, count):
    """Each in a process of its own, as in a run: what ends one is told by its exit."""
    rng, good, codes = random.Random(count), headers(), []
    for number in range(count):
        path = tmp_path / "net.onnx"
        path.write_bytes(mutations.data(good[number % 3], rng))
        pid = os.fork()
        if not pid:
            signal.alarm(int(LIMIT_S))
            resource.setrlimit(resource.RLIMIT_DATA, (4 << 30, 4 << 30))
            os._exit(_adopted(str(path), str(tmp_path / "cache")))
        codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        assert codes[-1] in (0, 1), (codes[-1], path.read_bytes())
    assert 0 < sum(codes) < count


def _adopted(path, cache):
    """0: taken; 1: refused in a line; 2: anything else."""
    try:
        interchange.make(artefact.in_cache(cache, ModelSpec("onnx:" + path), 0, 1, 8), "onnx").batch()
        return 0
    except Unprepared as error:
        return 1 if "\n" not in str(error) else 2
    except BaseException as error:
        os.write(2, repr(error).encode("utf-8", "replace"))
        return 2
