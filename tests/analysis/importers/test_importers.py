"""Importers: what each source says comes out in SI units, what it lacks is said, and bad input is one line."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from analysis import importers, registry
from analysis.errors import ImporterError, ImportNote
from analysis.frame import frame as frames
from analysis.importers import _lines, base, benchmark_app, loadgen, table, timm, trtexec, zhao

TRTEXEC_10 = """&&&& RUNNING TensorRT.trtexec [TensorRT v100200] # trtexec --onnx=nets/resnet50.onnx --shapes=input:8x3x224x224 --fp16
[07/30/2024-15:30:36] [I] === Build Options ===
[07/30/2024-15:30:36] [I] Precision: FP32+FP16
[07/30/2024-15:30:36] [I] === Inference Options ===
[07/30/2024-15:30:36] [I] Input inference shape : input=8x3x224x224
[07/30/2024-15:30:36] [I] Streams: 1
[07/30/2024-15:30:37] [I] Selected Device: NVIDIA Example
[07/30/2024-15:31:01] [I] === Performance summary ===
[07/30/2024-15:31:01] [I] Throughput: 130.298 qps
[07/30/2024-15:31:01] [I] Latency: min = 7.1 ms, max = 9.3 ms, mean = 7.7 ms, median = 7.6 ms, percentile(90%) = 8.1 ms, percentile(99%) = 9.0 ms
[07/30/2024-15:31:01] [I] GPU Compute Time: min = 6.9 ms, max = 9.1 ms, mean = 7.5 ms, median = 7.4 ms, percentile(90%) = 8.0 ms, percentile(99%) = 8.8 ms
&&&& PASSED TensorRT.trtexec [TensorRT v100200] # trtexec
"""
TRTEXEC_7 = """&&&& RUNNING TensorRT.trtexec # ./trtexec --onnx=resnet18.onnx
[11/01/2020-10:00:00] [I] Precision: FP32
[11/01/2020-10:00:00] [I] Batch: 1
[11/01/2020-10:00:00] [I] Input binding for x with dimensions 1x3x224x224 is created.
[11/01/2020-10:00:09] [I] Host Latency
[11/01/2020-10:00:09] [I] min: 26.1 ms (end to end 26.2 ms)
[11/01/2020-10:00:09] [I] median: 26.9 ms (end to end 27.0 ms)
[11/01/2020-10:00:09] [I] throughput: 37.1 qps
[11/01/2020-10:00:09] [I] GPU Compute
[11/01/2020-10:00:09] [I] min: 25.1 ms
[11/01/2020-10:00:09] [I] max: 28.0 ms
[11/01/2020-10:00:09] [I] mean: 25.9 ms
[11/01/2020-10:00:09] [I] median: 25.5 ms
[11/01/2020-10:00:09] [I] percentile: 27.9 ms at 99%
[11/01/2020-10:00:09] [I] total compute time: 2.9 s
"""
# What benchmark_app 2026.4 printed for a small network, shortened.
BENCHMARK_APP = """[Step 2/11] Loading OpenVINO Runtime
[ INFO ] Build ................................. 2026.4.1-22982-e213a147257-releases/2026/4
[ INFO ] Device info:
[ INFO ] CPU
[ INFO ]     x (node: x) : f32 / [...] / [4,3,64,64]
[ INFO ]     9 (node: 9) : f32 / [...] / [4,10]
[ INFO ] Model batch size: 4
[ INFO ] Compile model took 53.03 ms
[ INFO ]   NETWORK_NAME: onnx_Frontend_IR
[ INFO ]   OPTIMAL_NUMBER_OF_INFER_REQUESTS: 1
[ INFO ]   INFERENCE_PRECISION_HINT: <Type: 'bfloat16'>
[ INFO ]   EXECUTION_DEVICES: ['CPU']
[Step 10/11] Measuring performance (Start inference synchronously, limits: 20 iterations)
[ INFO ] First inference took 2.32 ms
[ INFO ] Latency:
[ INFO ]    Median:        61.81 us
[ INFO ]    Average:       65.94 us
[ INFO ] Throughput:   53094.55 FPS
"""
REPORT = {
    "cmd_options": {"-m": "nets/resnet18.xml", "-infer_precision": "f32"},
    "configuration_setup": {"topology": "Model1", "target device": "CPU", "batch size": "4", "number of parallel infer requests": "4"},
    "execution_results": {"compile model time (ms)": "53.03", "latency (ms)": "2.00", "throughput": "8000.0"},
}
LOADGEN = """================================================
MLPerf Results Summary
================================================
SUT name : PySUT
Scenario : SingleStream
Mode     : PerformanceOnly
90.0th percentile latency (ns) : 1163134
Result is : INVALID
50.00 percentile latency (ns)   : 1138567
90.00 percentile latency (ns)   : 1163134
99.00 percentile latency (ns)   : 1203198
samples_per_query : 1
"""
OFFLINE = "SUT name : PySUT\nScenario : Offline\nMode     : PerformanceOnly\nSamples per second: 922.492\nResult is : VALID\n"


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def test_every_importer_is_found_by_its_file_and_says_what_its_source_lacks():
    names = registry.names(importers)
    assert {"zhao", "timm", "trtexec", "benchmark_app", "loadgen", "table"} <= set(names) and "base" not in names
    for name in names:
        module = registry.load(importers, name)
        assert callable(module.read) and len(module.LACKS) > 20


def test_zhaos_table_has_39_networks_on_three_set_ups_with_their_headline_numbers():
    frame = zhao.read()
    assert len(frame) == 39 * 9 and frame["model"].nunique() == 39
    colab = frame[frame["platform"].eq("colab")].pivot(index="model", columns="batch_size", values="latency_s")
    assert colab.loc["alexnet", 1] == pytest.approx(8.19e-3) and colab.loc["alexnet", 64] == pytest.approx(64 * 0.38e-3)
    falls = np.exp(np.log(colab[1] / (colab[64] / 64)).mean())
    assert falls == pytest.approx(25.8, abs=0.05)
    nano = frame[frame["platform"].eq("jetson-nano")].pivot(index="model", columns="backend", values="latency_s")
    ratio = nano["pytorch"] / nano["tensorrt"]
    assert np.exp(np.log(ratio).mean()) == pytest.approx(1.17, abs=0.005) and (ratio < 1).sum() == 14
    assert np.exp(np.log(nano["pytorch"] / colab[1]).mean()) == pytest.approx(3.03, abs=0.005)
    assert set(frame.loc[frame["backend"].eq("tensorrt"), "input_px"]) == {224}
    assert frame["citation"].str.contains("120475").all() and frame["lacks"].str.contains("data loading").all()
    assert frame["accuracy_source"].eq("zhao").all() and frame["family"].notna().all()


def test_imported_rows_survive_the_way_to_a_file_and_merge_beside_records(tmp_path):
    frame = zhao.read()
    path = write(tmp_path / "imported-zhao.jsonl", _lines.dump(frame))
    back = frames.merge([path.parent]).frame
    assert len(back) == len(frame)
    np.testing.assert_allclose(back["latency_s"], frame["latency_s"])
    np.testing.assert_allclose(back["memory_mb"], frame["memory_mb"])
    assert back["lacks"].notna().all() and back["quality"].map(lambda labels: "imported" in labels).all()
    assert len(frames.ranked(back)) == len(frame)


def test_timm_says_device_and_precision_in_the_name_and_accuracy_joins_by_size(tmp_path):
    path = write(
        tmp_path / "benchmark-infer-amp-nhwc-pt240-cu124-rtx3090.csv",
        "model,infer_img_size,infer_samples_per_sec,infer_step_time,infer_batch_size,param_count,infer_gmacs,infer_macts\n"
        "resnet18,224,5000.0,51.2,256,11.69,1.82,2.48\nbroken,224,,,256,1,1,1\n",
    )
    accuracy = write(
        tmp_path / "results-imagenet.csv", "model,img_size,top1,top5\nresnet18.a1_in1k,224,71.5,90.1\nresnet18.a1_in1k,288,73.2,91.0\n"
    )
    row = timm.read(path, accuracy=accuracy).iloc[0]
    assert (row["model"], row["platform"], row["device"], row["backend"], row["precision"]) == (
        "timm:resnet18",
        "rtx3090",
        "gpu",
        "pytorch:channels_last",
        "amp",
    )
    assert row["latency_s"] == pytest.approx(0.0512) and row["throughput"] == 5000 and row["batch_size"] == 256
    assert row["top1"] == 71.5 and row["accuracy_data"] == "ImageNet" and row["complexity_px"] == 224
    cpu = timm.read(write(tmp_path / "benchmark-infer-fp32-nchw-pt240-cpu-i9_10940x-dynamo.csv", path.read_text()))
    assert (cpu["device"].iloc[0], cpu["platform"].iloc[0], cpu["backend"].iloc[0]) == ("cpu", "i9-10940x", "pytorch:dynamo")


def test_a_size_that_is_no_whole_number_of_pixels_is_unknown_and_told(tmp_path):
    heading = "model,infer_img_size,infer_samples_per_sec,infer_step_time,infer_batch_size,param_count,infer_gmacs,infer_macts\n"
    path = write(
        tmp_path / "benchmark-infer-fp32-nchw-pt240-cpu-i9.csv", heading + "a,22.4,10,1,1,1,1,1\nb,224,10,1,1,1,1,1\nc,1e300,10,1,1,1,1,1\n"
    )
    with pytest.warns(ImportNote, match="2 input sizes left out, not a whole number of pixels: 22.4"):
        frame = timm.read(path)
    assert frame["input_px"].fillna(0).tolist() == [0, 224, 0] and frame["label"].notna().all()


@pytest.mark.parametrize(("importer", "name", "content"), [(trtexec, "a.log", TRTEXEC_10), (benchmark_app, "a.txt", BENCHMARK_APP)])
def test_a_size_of_400_digits_is_unknown(tmp_path, importer, name, content):
    frame = importer.read(
        write(tmp_path / name, content.replace("x224x224", "x224" + "9" * 400 + "x224").replace(",64,64", ",64" + "9" * 400 + ",64"))
    )
    assert frame["input_px"].isna().all() and (frame["latency_s"] > 0).all()


def test_trtexec_of_versions_7_and_10_gives_the_compute_time_of_a_batch(tmp_path):
    new = trtexec.read(write(tmp_path / "new.log", TRTEXEC_10)).iloc[0]
    assert (new["model"], new["precision"], new["batch_size"], new["input_px"]) == ("resnet50", "fp16", 8, 224)
    assert new["latency_s"] == pytest.approx(7.4e-3) and new["latency_p99_s"] == pytest.approx(8.8e-3)
    assert new["throughput"] == pytest.approx(8 / 7.4e-3) and new["env_gpu"] == "NVIDIA Example"
    old = trtexec.read(write(tmp_path / "old.log", TRTEXEC_7), platform="jetson-nano").iloc[0]
    assert (old["model"], old["precision"], old["batch_size"], old["platform"]) == ("resnet18", "fp32", 1, "jetson-nano")
    assert old["latency_s"] == pytest.approx(25.5e-3) and old["latency_p99_s"] == pytest.approx(27.9e-3)


def test_a_log_of_two_runs_and_a_folder_of_logs_give_a_row_each(tmp_path):
    write(tmp_path / "logs" / "both.log", TRTEXEC_10 + TRTEXEC_7)
    write(tmp_path / "logs" / "more" / "one.txt", TRTEXEC_10.replace("8x3", "1x3"))
    frame = trtexec.read(tmp_path / "logs")
    assert sorted(zip(frame["model"], frame["batch_size"], strict=True)) == [("resnet18", 1), ("resnet50", 1), ("resnet50", 8)]


def test_an_engine_whose_precision_the_log_does_not_tell_stays_unknown(tmp_path):
    text = TRTEXEC_10.replace("--onnx=nets/resnet50.onnx", "--loadEngine=r50.plan").replace("FP32+FP16", "FP32")
    assert trtexec.read(write(tmp_path / "a.log", text)).iloc[0]["precision"] == "unknown"


def test_benchmark_app_text_gives_microseconds_and_the_precision_really_used(tmp_path):
    row = benchmark_app.read(write(tmp_path / "tinynet.txt", BENCHMARK_APP)).iloc[0]
    assert row["latency_s"] == pytest.approx(61.81e-6) and row["throughput"] == pytest.approx(4 / 61.81e-6)
    assert (row["precision"], row["batch_size"], row["input_px"], row["scenario"], row["model"]) == ("bf16", 4, 64, "latency", "tinynet")
    assert row["load_s"] == pytest.approx(0.05303) and row["first_latency_s"] == pytest.approx(0.00232)


def test_benchmark_app_with_several_requests_in_flight_is_throughput(tmp_path):
    row = benchmark_app.read(write(tmp_path / "report.json", json.dumps(REPORT)), input_px=224).iloc[0]
    assert (row["scenario"], row["in_flight"], row["model"], row["precision"]) == ("throughput", 4, "resnet18", "fp32")
    assert row["throughput"] == 8000 and row["latency_s"] == pytest.approx(4 / 8000)


def test_loadgen_keeps_an_invalid_result_and_labels_it(tmp_path):
    write(tmp_path / "resnet18" / "mlperf_log_summary.txt", LOADGEN)
    write(tmp_path / "vgg11" / "mlperf_log_summary.txt", OFFLINE)
    frame = loadgen.read(tmp_path, backend="onnxruntime", batch_size=0).set_index("model")
    assert frame.loc["resnet18", "latency_s"] == pytest.approx(1.138567e-3) and frame.loc["resnet18", "latency_p99_s"] == pytest.approx(
        1.203198e-3
    )
    assert "invalid" in frame.loc["resnet18", "quality"] and "invalid" not in frame.loc["vgg11", "quality"]
    assert frame.loc["vgg11", "scenario"] == "throughput" and frame.loc["vgg11", "throughput"] == pytest.approx(922.492)


def test_any_csv_comes_in_by_a_column_map_with_units_in_the_names(tmp_path):
    path = write(tmp_path / "mine.csv", "net;t;b;GFLOPs\nresnet18;20,0;2;3.64\nvgg11;x;2;15\n".replace("20,0", "20.0"))
    frame = table.read(path, {"model": "net", "image_ms": "t", "batch_size": "b", "gflops": "GFLOPs"}, platform="desk", precision="fp32")
    assert len(frame) == 1
    row = frame.iloc[0]
    assert row["latency_s"] == pytest.approx(0.04) and row["gmacs"] == pytest.approx(1.82) and row["platform"] == "desk"


@pytest.mark.parametrize(("module", "content", "said"), [
    (zhao, "model,x\na,1\n", "no column"),
    (timm, "model,top1\nresnet18,71\n", "benchmark.py"),
    (trtexec, "hello\n", "no performance summary"),
    (trtexec, TRTEXEC_10.replace("8x3x224x224", "8x128"), "no input shape"),
    (benchmark_app, "hello\n", "no output of benchmark_app"),
    (benchmark_app, '{"execution_results": {"error": "boom\\nmore"}}', "benchmark_app failed: boom"),
    (benchmark_app, '{"a": [', "no report of benchmark_app"),
    (benchmark_app, "[1, 2]\nThroughput:", "no batch size"),
    (loadgen, "Scenario : Party\n", "no summary of LoadGen"),
    (loadgen, LOADGEN.replace("PerformanceOnly", "AccuracyOnly"), "accuracy run"),
    (table, "a,b\n1,2\n", "--map model=COLUMN"),
    (table, "model,latency_ms\nresnet18,abc\n", "no row has a latency"),
    (table, 'model,latency_ms\n"resnet18,1\n', "mine.dat"),
])  # fmt: skip
def test_a_file_of_another_kind_is_one_line_that_says_what_would_do(tmp_path, module, content, said):
    path = write(tmp_path / "mine.dat", content)
    with pytest.raises(ImporterError) as error:
        module.read(path)
    assert said in str(error.value) and "\n" not in str(error.value) and "mine.dat" in str(error.value)


@pytest.mark.parametrize("name", registry.names(importers))
def test_missing_empty_and_binary_files_are_one_line_in_every_importer(tmp_path, name):
    read = registry.load(importers, name).read
    (tmp_path / "binary").write_bytes(b"\x7fELF\0\0\0\1" * 40)
    (tmp_path / "empty").write_bytes(b"\n")
    for path, said in ((tmp_path / "none", "can't be read"), (tmp_path / "binary", "binary data"), (tmp_path / "empty", "empty")):
        with pytest.raises(ImporterError, match=said) as error:
            read(path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("seed", range(6))
def test_mangled_files_never_end_in_a_traceback(tmp_path, seed):
    """Lines dropped, doubled and cut at random: a frame or an ImporterError, nothing else."""
    rng = np.random.default_rng(seed)
    for module, content in (
        (trtexec, TRTEXEC_10 + TRTEXEC_7),
        (benchmark_app, BENCHMARK_APP),
        (benchmark_app, json.dumps(REPORT)),
        (loadgen, LOADGEN),
    ):
        for _ in range(6):
            lines = [
                line[: rng.integers(0, len(line) + 1)] if rng.random() < 0.15 else line
                for line in content.splitlines()
                if rng.random() > 0.1
            ]
            path = write(tmp_path / "mlperf_log_summary.txt", "\n".join(lines) or "x")
            try:
                frame = module.read(path)
            except ImporterError:
                continue
            assert frame["latency_s"].gt(0).all() and frame["batch_size"].ge(1).all()


def run(*arguments):
    from analysis.cli import app

    return CliRunner().invoke(app, ["import", *map(str, arguments)])


def test_the_command_writes_rows_that_a_report_can_merge(tmp_path):
    out = tmp_path / "deep" / "zhao.jsonl"
    result = run("zhao", "--out", out)
    assert result.exit_code == 0 and "351 rows of 39 networks on colab, jetson-nano" in result.output
    assert len(frames.merge([out]).frame) == 351
    path = write(tmp_path / "mine.csv", "net,ms\nresnet18,20\n")
    result = run("table", path, "--map", "model=net", "--map", "latency_ms=ms", "--set", "platform=desk", "--out", tmp_path / "t.jsonl")
    assert result.exit_code == 0 and frames.merge([tmp_path / "t.jsonl"]).frame["latency_s"].tolist() == [0.02]


@pytest.mark.parametrize(("arguments", "said"), [
    (("nothing", "x"), "unknown; choose from"), (("timm",), "needs a file"), (("loadgen", "x", "--set", "batch_size=two"), "not a whole number"),
    (("zhao", "--set", "colour=red"), "takes no colour"), (("zhao", "--map", "a=b"), "--map is for"), (("table", "x", "--set", "nonsense"), "no NAME=VALUE"),
])  # fmt: skip
def test_a_wrong_command_line_says_what_would_do_and_exits_2(arguments, said):
    result = run(*arguments)
    assert result.exit_code == 2 and said in " ".join(result.output.replace("│", " ").split())


def test_a_wrong_column_is_one_line_with_the_choices(tmp_path):
    path = write(tmp_path / "mine.csv", "net,ms\nresnet18,20\n")
    with pytest.raises(ImporterError, match="latenz is not a column of the frame; choose from .*latency_ms"):
        table.read(path, {"model": "net", "latenz": "ms"})
    with pytest.raises(ImporterError, match=r"no column time \(found net, ms\)"):
        table.read(path, {"model": "net", "latency_ms": "time"})


def test_numbers_are_read_as_people_write_them():
    assert base.number(" 1,234.5 ") == 1234.5
    assert all(np.isnan(base.number(word)) for word in ("", "inf", "nan", None, "12 ms"))
    assert pd.isna(base.number(float("inf")))
