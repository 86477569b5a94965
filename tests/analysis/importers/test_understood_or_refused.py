"""A number is understood or refused: decimal marks, thousands, units, encodings, shares; what is left out is counted and told."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from analysis.errors import FrameError, ImporterError, ImportNote
from analysis.frame import frame as frames
from analysis.frame import setups
from analysis.importers import _text, benchmark_app, loadgen, table, trtexec
from analysis.importers._columns import COLUMNS
from analysis.importers._numbers import number

SUMMARY = """[01/02/2024-10:00:04] [I] Throughput: 812.5 qps
[01/02/2024-10:00:04] [I] GPU Compute Time: min = 1.1 ms, max = 1.8 ms, mean = 1.21 ms, median = 1.2 ms, percentile(99%) = 1.6 ms
"""
BINDING = "[01/02/2024-10:00:01] [I] Input binding for images:0 with dimensions 1x3x224x224 is created.\n"
FAILED = """&&&& RUNNING TensorRT.trtexec [TensorRT v8502] # trtexec --onnx=a.onnx
[01/02/2024-10:00:00] [E] Error[4]: input: dynamic input is missing dimensions in profile 0.
&&&& FAILED TensorRT.trtexec [TensorRT v8502] # trtexec --onnx=a.onnx
"""
APP_2021 = """[ INFO ] InferenceEngine:
         API version............. 2.1.2021.4.2-3974
[ INFO ] Device info
         MYRIAD
         Build................... 2021.4.2-3974
[ INFO ] Network batch size: 1
[ INFO ] Network input 'data' precision U8, dimensions (NCHW): 1 3 192 256
[Step 10/11] Measuring performance (Start inference asynchronously, 4 inference requests, limits: 60000 ms duration)
[ INFO ] First inference took 38.12 ms
Latency:    80.91 ms
Throughput: 50.00 FPS
"""
APP_TABLE = """Command line parameters
-m;nets/resnet18.xml
-d;CPU

Configuration setup
target device;CPU
precision;UNSPECIFIED
batch size;2
number of parallel infer requests;1

Execution results
compile model time (ms);150.21
first inference time (ms);10.11
latency (ms);9.91
throughput;99.99
"""


def read(tmp_path, content, name="mine.csv", encoding="utf-8", **options):
    """(frame, notes) of a table."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode(encoding))
    return noted(table.read, path, **options)


def noted(function, *arguments, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        frame = function(*arguments, **options)
    assert all(issubclass(entry.category, ImportNote) for entry in caught)
    return frame, [str(entry.message) for entry in caught]


def ms(frame):
    return np.round(1000 * frame["latency_s"], 9).tolist()


@pytest.mark.parametrize(("content", "times"), [
    ("model;latency_ms;top1\nresnet18;12,5;69,76\nresnet50;1.234,5;76,13\n", [12.5, 1234.5]),
    ("model\tlatency_ms\nresnet18\t3,14\nresnet50\t1,234\n", [3.14, 1.234]),
    ("model;latency_ms\nresnet18;12.5\nresnet50;1,234\n", [12.5, 1234]),
    ("model;latency_ms\nresnet18;1 234,5\nresnet50;0,125\n", [1234.5, 0.125]),
    ('model,latency_ms\nresnet18,"1,234.5"\nresnet50,2.5\n', [1234.5, 2.5]),
    ("model,latency_ms\nresnet18,12.5 ms\nresnet50,0.5 s\nvgg11,250 µs\n", [12.5, 500, 0.25]),
    ("# measured in May\nmodel,latency_ms\n# first the small one\nresnet18,12.5\n", [12.5]),
    ("model,latency_ms\nresnet18,1.25e1\n", [12.5]),
])  # fmt: skip
def test_numbers_are_understood_as_their_table_writes_them(tmp_path, content, times):
    frame, notes = read(tmp_path, content)
    assert ms(frame) == times and not notes


@pytest.mark.parametrize(("content", "said"), [
    ("model;latency_ms\na;12.5\nb;3,14\n", "12.5 has a decimal point and 3,14 a decimal comma"),
    ("model;latency_ms\na;1,234\n", "may be a decimal comma or thousands"),
    ("model,latency_ms,top1\na,12.5,697.6\nb,31,761.3\n", "no value of top1 lies within 0 and 100"),
    ("model,latency_ms,latency_ms\na,1,2\n", "two columns are called latency_ms"),
    ("# nothing\n", "only comments"),
])  # fmt: skip
def test_what_a_table_does_not_tell_is_refused(tmp_path, content, said):
    with pytest.raises(ImporterError, match=said):
        read(tmp_path, content)


def test_what_is_left_out_is_counted_and_told(tmp_path):
    content = "model,batch_size,latency_ms,top1\nresnet18,1,12.5,69.8\nresnet18,1,-3,69.8\nresnet34,1,OOM,73.3\nresnet50,1,31.25,761\nvgg11,1,1.234,5,70\n"
    frame, notes = read(tmp_path, content)
    assert ms(frame) == [12.5, 31.25] and frame["top1"].tolist()[0] == 69.8 and frame["accuracy_source"].tolist()[1] != "table"
    assert [note.split(": ", 1)[1] for note in notes] == [
        "1 row left out, with another number of cells than the heading's 4: vgg11 | 1 | 1.234 | 5 | 70",
        "1 value of latency_ms left out, negative: -3",
        "1 value of latency_ms left out, unreadable: OOM",
        "1 value of top1 left out, over 100 %: 761",
        "2 rows left out, with no latency or no batch size: resnet18, resnet34",
    ]


def test_shares_of_one_are_read_as_such_and_the_user_is_told(tmp_path):
    frame, notes = read(tmp_path, "model,latency_ms,top1\nresnet18,12.5,0.697\nresnet50,31,0.7613\n")
    assert frame["top1"].round(6).tolist() == [69.7, 76.13] and "2 values of top1 between 0 and 1" in notes[0]


@pytest.mark.parametrize(("model", "encoding"), [
    ("réseau18", "latin-1"), ("Größe18", "latin-1"), ("模型网络一", "gbk"), ("réseau18", "utf-16"), ("résnet", "utf-16-le"), ("сеть", "utf-8-sig"),
])  # fmt: skip
def test_an_encoding_is_detected(tmp_path, model, encoding):
    frame, _ = read(tmp_path, f"model\tlatency_ms\r\n{model}\t12.5\r\n", encoding=encoding)
    assert frame["model"].tolist() == [model]


@pytest.mark.parametrize(("model", "encoding"), [("сеть", "cp1251"), ("СЕТЬ", "cp1251"), ("ネットワーク", "shift-jis"), ("сети", "koi8-r")])
def test_an_encoding_that_cannot_be_told_is_refused(tmp_path, model, encoding):
    with pytest.raises(ImporterError, match="save it as UTF-8"):
        read(tmp_path, f"model;latency_ms\n{model};12.5\n", encoding=encoding)


@pytest.mark.parametrize("headings", [("1", "8", "64"), ("b1", "b8", "b64"), ("batch_1", "batch_8", "batch_64"), ("BS=1", "BS=8", "BS=64")])
def test_a_wide_table_gives_a_row_per_batch_size(tmp_path, headings):
    frame, _ = read(tmp_path, f"net;{';'.join(headings)}\nresnet18;8,2;1,6;0,4\nvgg11;16;-;\n", columns={"model": "net"}, wide="image_ms")
    found = frame.set_index(["model", "batch_size"])["latency_s"].round(9).to_dict()
    assert found == {("resnet18", 1): 0.0082, ("resnet18", 8): 0.0128, ("resnet18", 64): 0.0256, ("vgg11", 1): 0.016}


def test_a_wide_table_without_batch_sizes_is_refused(tmp_path):
    with pytest.raises(ImporterError, match="no heading is a batch size"):
        read(tmp_path, "model,fast,slow\na,1,2\n", wide="latency_ms")
    with pytest.raises(ImporterError, match="what do the columns hold"):
        read(tmp_path, "model,1,2\na,1,2\n", wide="top1")


def test_two_boards_tables_of_one_name_stay_apart(tmp_path):
    for board, times in (("nano", (60, 150)), ("orin", (3, 7))):
        content = "model,batch_size,latency_ms,input_px\n" + "".join(
            f"{m},1,{t},224\n" for m, t in zip(("resnet18", "resnet50"), times, strict=True)
        )
        read(tmp_path, content, f"{board}/results.csv")
        result = run("table", tmp_path / board / "results.csv", "--out", tmp_path / "records" / f"{board}.jsonl")
        assert result.exit_code == 0
    frame = frames.latest(frames.merge([tmp_path / "records"]).frame)
    assert len(frame) == 4 and set(frame["platform"]) == {"nano-results", "orin-results"}
    assert len(table.read(tmp_path)) == 4


def run(*arguments):
    from analysis.cli import app

    return CliRunner().invoke(app, ["import", *map(str, arguments)])


def test_an_import_overwrites_another_only_when_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "rows.jsonl"
    read(tmp_path, "model,latency_ms\nresnet18,1\n", "a.csv")
    read(tmp_path, "model,latency_ms\nresnet18,2\n", "b.csv")
    assert run("table", "a.csv", "--out", out).exit_code == 0 and run("table", "a.csv", "--out", out).exit_code == 0
    before = out.read_bytes()
    refused = run("table", "b.csv", "--out", out)
    assert refused.exit_code == 2 and "--replace" in " ".join(refused.output.split())
    assert out.read_bytes() == before
    assert run("table", "b.csv", "--out", out, "--replace").exit_code == 0 and frames.merge([out]).frame["latency_s"].tolist() == [0.002]


def test_an_id_depends_on_what_a_row_says_and_not_on_the_file(tmp_path):
    content = "model,latency_ms\nresnet18,1\nresnet18,1\nresnet18,2\n"
    first, _ = read(tmp_path, content, "a.csv", platform="desk")
    second, _ = read(tmp_path, content, "sub/b.csv", platform="desk")
    assert first["record_id"].tolist() == second["record_id"].tolist() and first["record_id"].nunique() == 3


def test_the_help_lists_the_columns_with_an_example():
    text = " ".join(run("--help").output.replace("│", " ").split())
    assert "--wide" in text and "--map latency_ms=ms" in text
    assert all(name in text for name, column in COLUMNS.items() if column.help)


def test_trtexec_tells_a_precision_only_where_the_log_does(tmp_path):
    cases = {
        "--onnx=r50.onnx --fp16\nPrecision: FP32+FP16": "fp16",
        "--onnx=r50.onnx --stronglyTyped\nPrecision: FP32\nStrongly Typed: Enabled": "unknown",
        "--onnx=r50.onnx --best\nPrecision: FP32+FP16+BF16+INT8+FP8": "unknown",
        "--onnx=r50.onnx --int8\nPrecision: FP32+INT8": "int8",
    }
    for start, precision in cases.items():
        (tmp_path / "a.log").write_text(f"&&&& RUNNING TensorRT.trtexec [TensorRT v8502] # trtexec {start}\n{BINDING}{SUMMARY}")
        assert trtexec.read(tmp_path / "a.log").iloc[0]["precision"] == precision, start


@pytest.mark.parametrize(
    "path",
    [
        r'"C:\Users\u ser\nets\mobile net.onnx"',
        "'/data/mobile net.onnx'",
        r"/my\ nets/mobile\ net.onnx",
        r"C:\Program Files\nets\mobile net.onnx",
    ],
)
def test_trtexec_takes_paths_with_blanks_and_backslashes(tmp_path, path):
    (tmp_path / "a.log").write_text(f"&&&& RUNNING TensorRT.trtexec # trtexec --onnx={path} --fp16\n{BINDING}{SUMMARY}")
    assert trtexec.read(tmp_path / "a.log").iloc[0]["model"] == "mobile net"


@pytest.mark.parametrize(("content", "reason"), [
    ('model,latency_ms\nresnet18,"3.5\n', 'a quotation mark .". that is not closed.* in row 2'),
    (f"model,latency_ms\n{'x' * 200_000},3.5\n", "a cell of more than 131,072 characters, in row 2"),
    ("model,1,2,4\nresnet18,1.5,2.5,4.5\n", "if 1, 2, 4 are batch sizes, .*--wide latency_ms"),
    ("model,latency_ms,batch_size\nresnet18,3.5,0\n", "found resnet18 .batch size 0."),
])  # fmt: skip
def test_a_table_that_can_t_be_read_says_what_is_wrong_in_words_of_dyno(tmp_path, content, reason):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(ImporterError, match=reason):
        table.read(tmp_path / "a.csv")


def test_a_failed_trtexec_run_says_why_and_does_not_refuse_its_folder(tmp_path):
    (tmp_path / "failed.log").write_text(FAILED)
    with pytest.raises(ImporterError, match="trtexec failed: Error.4.: input: dynamic input is missing"):
        trtexec.read(tmp_path / "failed.log")
    (tmp_path / "good.log").write_text(f"&&&& RUNNING TensorRT.trtexec # trtexec --onnx=a.onnx\n{BINDING}{SUMMARY}")
    frame, notes = noted(trtexec.read, tmp_path)
    assert len(frame) == 1 and len(notes) == 1 and "left out" in notes[0] and "failed.log" in notes[0]


def test_benchmark_app_of_2021_gives_the_myriads_row(tmp_path):
    (tmp_path / "mobilenet.txt").write_text(APP_2021)
    row = benchmark_app.read(tmp_path / "mobilenet.txt").iloc[0]
    assert (row["model"], row["device"], row["batch_size"], row["input_px"], row["scenario"]) == (
        "mobilenet-192x256",
        "myriad",
        1,
        192,
        "throughput",
    )
    assert row["latency_s"] == pytest.approx(1 / 50) and row["first_latency_s"] == pytest.approx(0.03812)
    assert row["env_openvino"] == "2021.4.2-3974"
    (tmp_path / "sync.txt").write_text(APP_2021.replace("asynchronously, 4 inference requests", "synchronously"))
    assert benchmark_app.read(tmp_path / "sync.txt").iloc[0]["latency_s"] == pytest.approx(0.08091)


def test_benchmark_app_writes_a_report_as_a_table_of_semicolons(tmp_path):
    (tmp_path / "benchmark_report.csv").write_text(APP_TABLE)
    row = benchmark_app.read(tmp_path / "benchmark_report.csv").iloc[0]
    assert (row["model"], row["device"], row["batch_size"], row["precision"]) == ("resnet18", "cpu", 2, "unknown")
    assert row["latency_s"] == pytest.approx(9.91e-3) and row["load_s"] == pytest.approx(0.15021)


def test_an_invalid_result_of_loadgen_is_never_ranked(tmp_path):
    (tmp_path / "r50").mkdir()
    text = "Scenario : Single Stream\nMode     : Performance\nResult is : {}\n50.00 percentile latency (ns)   : 75739770\nsamples_per_query : 1\n"
    (tmp_path / "r50" / "mlperf_log_summary.txt").write_text(text.format("INVALID"))
    frame, notes = noted(loadgen.read, tmp_path)
    assert len(frame) == 1 and frames.ranked(frame).empty and "never ranked" in notes[0]
    with pytest.raises(FrameError, match="--platform mlperf-host: all that is there calls itself invalid, and is never ranked"):
        setups.choose(frame, "mlperf-host")
    (tmp_path / "r50" / "mlperf_log_summary.txt").write_text(text.format("VALID"))
    assert len(frames.ranked(loadgen.read(tmp_path))) == 1


def test_long_lines_are_read_in_linear_time(tmp_path):
    import time

    (tmp_path / "mlperf_log_summary.txt").write_text(("a" + " " * 40000 + "x\n") * 20 + "Scenario : SingleStream\n")
    (tmp_path / "a.log").write_text(("--onnx=" + "\\ " * 20000 + '"\n') * 5 + "1x3" * 20000 + "\nGPU Compute Time: " + "median = " * 10000)
    (tmp_path / "b.txt").write_text("Throughput:" + " " * 40000 + "\n" + "[1,1" * 20000 + "Device info" + "\n" * 20000)
    started = time.perf_counter()
    for module, name in ((loadgen, "mlperf_log_summary.txt"), (trtexec, "a.log"), (benchmark_app, "b.txt")):
        with pytest.raises(ImporterError):
            module.read(tmp_path / name)
    assert time.perf_counter() - started < 5


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(st.floats(0.001, 1e6), st.sampled_from(".,"), st.booleans())
def test_a_written_number_reads_back(value, mark, grouped):
    text = f"{value:,.4f}" if grouped else f"{value:.4f}"
    text = text.translate(str.maketrans(",.", ".,")) if mark == "," else text
    assert number(text, mark) == pytest.approx(round(value, 4), rel=1e-12)


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(st.text(max_size=60))
def test_any_text_is_a_finite_number_or_none(text):
    for mark in ".,":
        value = number(text, mark)
        assert np.isnan(value) or np.isfinite(value)


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(st.binary(max_size=200))
def test_any_bytes_are_text_of_an_encoding_or_refused(data):
    try:
        encoding = _text.encoding_of(data, "x")
        data.decode(encoding)
    except (ImporterError, UnicodeDecodeError):
        encoding = None
    assert encoding in (None, "utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be", "gbk", "cp1252")
    if _is_utf8(data) and b"\0" not in data and not data.startswith(tuple(mark for mark, _ in _text.MARKS)):
        assert encoding == "utf-8"


def _is_utf8(data):
    return data == data.decode("utf-8", "ignore").encode("utf-8")
