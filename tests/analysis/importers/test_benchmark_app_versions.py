"""The forms in which benchmark_app printed its results from 2019 to 2022.3, in C++ and in Python: the numbers are those of the run."""

import re

import pytest

from analysis.errors import ImporterError
from analysis.importers import benchmark_app

OLD_TAIL = "Count:      3000 iterations\nDuration:   60040.00 ms\nLatency:    80.00 ms\nThroughput: 50.00 FPS\n"
CPP_2020 = """[Step 2/11] Loading Inference Engine
[ INFO ] Device info:\x20
\tMYRIAD
\tmyriadPlugin version ......... 2.1
\tBuild ........... 2020.4.0-359
[ INFO ] Network batch size: 1, precision: FP16
[ INFO ] Load network took 2000.00 ms
[ INFO ] Network input 'data' precision U8, dimensions (NCHW): 1 3 192 192\x20
[Step 10/11] Measuring performance (Start inference {how}, 4 inference requests, limits: 60000 ms duration)
Progress: [....................] 100% done\r
"""
PYTHON_2021 = """[Step 2/11] Loading Inference Engine
[ INFO ] InferenceEngine:
         API version............. 2.1.2021.4.2-3974
[ INFO ] Device info
         CPU
         MKLDNNPlugin............ version 2.1
         Build................... 2021.4.2-3974
[ INFO ] Network batch size: 1
[ INFO ] Network input 'data' precision U8, dimensions (NCHW): 1 3 192 192
[ INFO ] Load network took 2000.00 ms
[Step 10/11] Measuring performance (Start inference {how}, 4 inference requests using 4 streams for CPU, limits: 60000 ms duration)
[ INFO ] First inference took 12.00 ms
"""
CPP_2022 = """[Step 2/11] Loading OpenVINO Runtime
[ INFO ] OpenVINO:
[ INFO ] Build ................................. 2022.3.0-9052
[ INFO ] Device info:
[ INFO ] CPU
[ INFO ] Build ................................. 2022.3.0-9052
[ INFO ] Network batch size: 1
[ INFO ] Network inputs:
[ INFO ]     data (node: data) : u8 / [N,C,H,W] / {{1,3,192,192}}
[ INFO ] Compile model took 2000.00 ms
[ INFO ]   {{ NETWORK_NAME , torch-jit-export }}
[ INFO ]   EXECUTION_DEVICES: [ CPU ]
[Step 10/11] Measuring performance (Start inference {how}, 4 inference requests using 4 streams for CPU, limits: 60000 ms duration)
[ INFO ] BENCHMARK IS IN INFERENCE ONLY MODE.
[ INFO ] First inference took 12.00 ms
[ INFO ] Count:      3000 iterations
[ INFO ] Duration:   60040.00 ms
[ INFO ] Latency:
[ INFO ]        Median:  80.00 ms
[ INFO ]        Avg:     81.00 ms
[ INFO ]        Min:     70.00 ms
[ INFO ]        Max:     99.00 ms
[ INFO ] Throughput: 50.00 FPS
"""
PYTHON_2022 = """[ INFO ] Device info:
[ INFO ] CPU
[ INFO ] Build ................................. 2022.3.0-9052
[ INFO ] Network batch size: 1
[ INFO ]     data (node: data) : u8 / [N,C,H,W] / [1,3,192,192]
[ INFO ] Compile model took 2000.00 ms
[ INFO ]   OPTIMAL_NUMBER_OF_INFER_REQUESTS: 4
[ INFO ]   INFERENCE_PRECISION_HINT: <Type: 'float32'>
[Step 10/11] Measuring performance (Start inference {how}, 4 inference requests, limits: 60000 ms duration)
[ INFO ] First inference took 12.00 ms
Count:          3000 iterations
Duration:       60040.00 ms
Latency:
    Median:     80.00 ms
    AVG:        81.00 ms
    MIN:        70.00 ms
    MAX:        99.00 ms
Throughput: 50.00 FPS
"""
FORMS = {"C++ 2020": CPP_2020 + OLD_TAIL, "Python 2021.4": PYTHON_2021 + OLD_TAIL, "C++ 2022.3": CPP_2022, "Python 2022.3": PYTHON_2022}
FORMS["2019"] = CPP_2020.replace("4 inference requests, limits: 60000 ms duration", "60000 ms duration, 4 inference requests in parallel using 4 streams") + OLD_TAIL  # fmt: skip
DEVICES = {"C++ 2020": "myriad", "2019": "myriad"}


def read(folder, content):
    (folder / "squeezenet.txt").write_text(content)
    return benchmark_app.read(folder / "squeezenet.txt").iloc[0]


@pytest.mark.parametrize("how", ["asynchronously", "asyncronously"])  # which is how the tool spelt it up to 2021
@pytest.mark.parametrize("form", FORMS)
def test_several_requests_in_flight_are_a_throughput_in_every_form(tmp_path, form, how):
    row = read(tmp_path, FORMS[form].format(how=how))
    assert (row["scenario"], row["in_flight"], row["batch_size"], row["input_px"]) == ("throughput", 4, 1, 192)
    assert row["latency_s"] == pytest.approx(1 / 50) and row["throughput"] == 50
    assert row["device"] == DEVICES.get(form, "cpu") and row["load_s"] == pytest.approx(2)


@pytest.mark.parametrize("how", ["synchronously", "syncronously"])
@pytest.mark.parametrize("form", FORMS)
def test_one_request_is_a_latency_and_the_median_is_it(tmp_path, form, how):
    content = (
        FORMS[form]
        .replace(", 4 inference requests using 4 streams for CPU", "")
        .replace(", 4 inference requests in parallel using 4 streams", "")
    )
    row = read(tmp_path, content.replace(", 4 inference requests", "").format(how=how))  # fmt: skip
    assert (row["scenario"], row["in_flight"], row["latency_s"]) == ("latency", 1, pytest.approx(0.08))


@pytest.mark.parametrize(
    "line", ["Latency (90 percentile):    80.00 ms", "Latency:\n(90 percentile):     80.00 ms\n    AVG:        81.00 ms"]
)
def test_another_percentile_than_the_median_is_not_taken_for_it(tmp_path, line):
    content = (PYTHON_2021 + OLD_TAIL).replace(", 4 inference requests using 4 streams for CPU", "").replace("Latency:    80.00 ms", line)
    row = read(tmp_path, content.format(how="synchronously"))
    assert row["latency_s"] == pytest.approx(1 / 50)


def table(latency="latency (ms)", ending="\n", quote=""):
    """The report of -report_type no_counters, as 2021.4 and 2022.3 write it."""
    lines = [
        "Command line parameters",
        "m;nets/squeezenet.xml",
        "d;MYRIAD",
        "",
        "Configuration setup",
        "topology;squeezenet",
        "target device;MYRIAD",
    ]
    lines += [
        "API;async",
        "precision;FP16",
        "batch size;1",
        "number of iterations;3000",
        "number of parallel infer requests;1",
        "duration (ms);60000",
        "",
    ]
    lines += ["Execution results", "read network time (ms);20.00", "load network time (ms);2000.00", "first inference time (ms);12.00"]
    lines += ["total execution time (ms);60040.00", "total number of iterations;3000", f"{latency};80.00", "throughput;12.00"]  # fmt: skip
    return ending.join(f"{quote}{line}{quote}" if line else "" for line in lines) + ending


@pytest.mark.parametrize(("form", "latency_s"), [
    (table(), 0.08), (table("Median latency (ms)"), 0.08), (table("latency (90 percentile) (ms)"), 1 / 12), (table(ending="\r\n"), 0.08),
    (table(ending=";\n"), 0.08), (re.sub(r"(\d)\.(\d)", r"\1,\2", table()), 0.08),
])  # fmt: skip
def test_the_report_of_an_older_release_gives_its_median(tmp_path, form, latency_s):
    (tmp_path / "benchmark_report.csv").write_bytes(form.encode())
    row = benchmark_app.read(tmp_path / "benchmark_report.csv").iloc[0]
    assert (row["model"], row["device"], row["batch_size"], row["scenario"]) == ("squeezenet", "myriad", 1, "latency")
    assert row["latency_s"] == pytest.approx(latency_s) and row["load_s"] == pytest.approx(2)


@pytest.mark.parametrize(
    "content", ["[I] Throughput: 812.5 qps\n[I] GPU Compute Time: median = 1.2 ms\n", "Throughput\n", "model,latency_ms\na,1\n"]
)
def test_another_tools_output_is_not_taken_for_benchmark_apps(tmp_path, content):
    (tmp_path / "a.txt").write_text(content)
    with pytest.raises(ImporterError, match="no output of benchmark_app"):
        benchmark_app.read(tmp_path / "a.txt")
