"""What a log or a table says of sizes, paths, precisions and shares is taken over as it is said, or refused with the reason."""

import warnings

import pytest
from typer.testing import CliRunner

from analysis.cli import app
from analysis.errors import ImporterError
from analysis.importers import benchmark_app, table, trtexec

TIMES = "[11/27/2025-10:00:00] [I] GPU Compute Time: min = 1.1 ms, max = 1.8 ms, mean = 1.2 ms, median = 1.2 ms, percentile(99%) = 1.6 ms\n"
PRINTED = """[Step 10/11] Measuring performance (Start inference synchronously, limits: 60000 ms duration)
[ INFO ] -m %s
[ INFO ] Model batch size: 1
[ INFO ]     input (node: input) : f32 / [N,C,H,W] / [%s]
[ INFO ]    Median:     20.00 ms
Throughput: 50.00 FPS
"""
REPORT = "Configuration setup\ntopology;resnet18\ntarget device;CPU\nbatch size;1\nnumber of parallel infer requests;1\n\nExecution results\nlatency (ms);12,5\nthroughput;80,04\n"


def log(folder, options="--onnx=net.onnx", lines="", shape="1x3x224x224"):
    text = f"&&&& RUNNING TensorRT.trtexec [TensorRT v101300] # trtexec {options}\n{lines}"
    text += f"[11/27/2025-10:00:00] [I] Input binding for x with dimensions {shape} is created.\n" if shape else ""
    (folder / "run.log").write_text(text + TIMES)
    return trtexec.read(folder / "run.log").iloc[0]


@pytest.mark.parametrize(("shape", "name", "batch", "px"), [
    ("2x3x224x224", "net", 2, 224), ("1x3x480x640", "net-480x640", 1, 480), ("4x224x224x3", "net", 4, 224), ("1x480x640x3", "net-480x640", 1, 480),
])  # fmt: skip
def test_an_input_that_is_not_square_is_told_by_the_name(tmp_path, shape, name, batch, px):
    row = log(tmp_path, shape=shape)
    assert (row["model"], row["batch_size"], row["input_px"]) == (name, batch, px)
    sides = shape.split("x")
    (tmp_path / "app.txt").write_text(PRINTED % ("net.xml", ",".join(sides)))
    row = benchmark_app.read(tmp_path / "app.txt").iloc[0]
    assert (row["model"], row["input_px"]) == (name, px)


@pytest.mark.parametrize(("said", "precision"), [
    ("FP32", "fp32"), ("FP32+FP16", "fp16"), ("FP32+BF16", "bf16"), ("FP32+FP8", "unknown"), ("FP32+INT4", "unknown"), ("FP32+FP16+INT8", "unknown"), ("", "unknown"),
])  # fmt: skip
def test_a_precision_that_dyno_has_no_word_for_is_unknown(tmp_path, said, precision):
    assert log(tmp_path, lines=f"[11/27/2025-10:00:00] [I] Precision: {said}\n")["precision"] == precision


def test_a_deep_learning_accelerator_is_told_with_and_without_the_clock_in_front(tmp_path):
    for stamp in ("[11/27/2025-10:00:00] [I] ", "[I] ", ""):
        assert log(tmp_path, lines=f"{stamp}DLACore: 0 (With GPU fallback)\n")["device"] == "dla"


@pytest.mark.parametrize(("path", "name"), [
    ("/my nets/resnet 50.xml", "resnet 50"), ('"C:\\nets\\resnet 50.onnx"', "resnet 50"), ("/nets/resnet50.xml -d CPU", "resnet50"), ("'a b.xml' -hint none", "a b"),
])  # fmt: skip
def test_a_model_s_path_may_hold_blanks(tmp_path, path, name):
    (tmp_path / "app.txt").write_text(PRINTED % (path, "1,3,224,224"))
    assert benchmark_app.read(tmp_path / "app.txt").iloc[0]["model"] == name


def test_a_report_with_decimal_commas_is_read_as_such(tmp_path):
    (tmp_path / "benchmark_report.csv").write_text(REPORT)
    assert benchmark_app.read(tmp_path / "benchmark_report.csv").iloc[0]["latency_s"] == pytest.approx(0.0125)


def test_a_run_that_ended_in_an_error_is_told_by_its_error(tmp_path):
    (tmp_path / "app.txt").write_text("[Step 7/11] Loading the model\n[ ERROR ] Can not init Myriad device: NC_ERROR\n")
    with pytest.raises(ImporterError, match="failed: Can not init Myriad device: NC_ERROR"):
        benchmark_app.read(tmp_path / "app.txt")


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_any_usual_delimiter_is_understood_and_excel_s_own_line_too(tmp_path, mark):
    for first in ("", f"sep={mark}\n"):
        (tmp_path / "t.csv").write_text(first + "model,latency_ms\nresnet18,12.5\n".replace(",", mark))
        assert table.read(tmp_path / "t.csv")["latency_s"].tolist() == [0.0125]


def test_a_size_as_height_by_width_is_taken_where_it_is_square(tmp_path):
    (tmp_path / "t.csv").write_text("model,latency_ms,input_px\na,1,224x224\nb,1,3x96x96\nc,1,224 × 224 px\nd,1,480x640\n")
    with pytest.warns(match="1 value of input_px left out, unreadable: 480x640"):
        assert table.read(tmp_path / "t.csv")["input_px"].tolist()[:3] == [224, 96, 224]


def test_a_share_among_percents_is_left_out_and_told(tmp_path):
    (tmp_path / "t.csv").write_text("model,latency_ms,top1\na,1,0.697\nb,1,76\nc,1,0.1\nd,1,0.5 %\n")
    with pytest.warns(match="a share.: 0.697"):
        found = table.read(tmp_path / "t.csv")["top1"]
    assert found.isna().tolist() == [True, False, False, False]


@pytest.mark.parametrize(("text", "options", "said"), [
    ("model,latency_ms\na,12.5 ± 0.3\n", [], "unreadable: 12.5 ± 0.3"),
    ("Net,Latency (ms)\na,1\n", [], "found Net, Latency (ms)"),
    ("model,latency_ms\n", [], "no row below it"),
    ("model,latency_ms\na,1\n", ["--set", "platform="], "--set platform= is empty"),
])  # fmt: skip
def test_a_refusal_says_what_was_found(tmp_path, text, options, said):
    (tmp_path / "t.csv").write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = CliRunner().invoke(app, ["import", "table", str(tmp_path / "t.csv"), "--out", str(tmp_path / "o.jsonl"), *options])
    assert result.exit_code == 2 and said in result.output and len(result.output.strip().splitlines()) == 1
    assert not (tmp_path / "o.jsonl").exists()
