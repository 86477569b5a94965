"""The command line as a user meets it."""

import json
import subprocess
import sys
import time

import pytest
from support import dyno, environment, matrix, records


def test_help_is_instant_and_imports_no_framework():
    code = (
        "import sys, runner.cli; print([name for name in ('torch', 'onnxruntime', 'openvino', 'tensorrt', 'numpy') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], env=environment()).decode().strip() == "[]"
    times = []
    for _ in range(3):
        started = time.time()
        exit_code, out, _ = dyno("--help")
        times.append(time.time() - started)
        assert exit_code == 0
    assert min(times) < 0.3 * (1 if sys.version_info >= (3, 8) else 2)
    for command in ("plan", "run", "status", "backends", "models", "environment", "doctor", "export"):
        assert command in out


def test_planning_imports_no_framework(tmp_path):
    code = (
        "import sys; from runner.plan import matrix, plan; plan.plan(matrix.load(%r), 'cpu', ('cpu',));"
        "print([name for name in ('torch', 'onnxruntime', 'openvino') if name in sys.modules])"
    ) % matrix(tmp_path, "backend: [pytorch, onnxruntime, openvino], model: [resnet18, 'timm:dpn68', hardnet68]")
    assert subprocess.check_output([sys.executable, "-c", code], env=environment()).decode().strip() == "[]"


def test_plan_lists_cells_what_is_left_out_and_the_time(tmp_path):
    path = matrix(tmp_path, "backend: noop, model: [resnet18, alexnet]", more="exclude: [{when: {model: alexnet}, reason: old}]\n")
    code, out, _ = dyno("plan", "-m", path, "-r", str(tmp_path))
    assert code == 0 and "cpu.cpu.noop.resnet18.fp32.b1.224px.latency" in out
    assert "left out: 1 cell: old" in out and "1 cells, 1 to measure, about" in out
    document = json.loads(dyno("plan", "-m", path, "-r", str(tmp_path), "--json")[1])
    assert document["cells"][0]["missing"] is True and document["cells"][0]["model"] == "resnet18"
    assert document["excluded"][0]["reason"] == "old" and document["estimate_s"] > 0


def test_status_counts_done_failed_skipped_and_missing(tmp_path):
    path = matrix(tmp_path, "backend: ['fault:error_load', noop], model: resnet18, input_px: 32, batch_size: [1, 2]")
    dyno("run", "-m", path, "-r", str(tmp_path), "--only", "batch_size=1")
    code, out, _ = dyno("status", "-m", path, "-r", str(tmp_path))
    assert code == 0 and "1 done, 1 failed, 0 skipped" in out and "2 missing" in out
    assert "an operator nobody knows" in out and "--retry failed" in out
    document = json.loads(dyno("status", "-m", path, "-r", str(tmp_path), "--json")[1])
    assert len(document["ok"]) == len(document["failed"]) == 1 and len(document["missing"]) == 2


@pytest.mark.parametrize(
    "arguments, code, expected",
    [
        (("run", "-m", "nowhere.yaml"), 2, "nowhere.yaml: No such file or directory"),
        (("run", "--only", "modl=x"), 2, "did you mean model?"),
        (("run", "--only", "model"), 2, "give field=value"),
        (("run", "--time-budget", "soon"), 2, "give a time such as 90s, 10m or 2h"),
        (("run", "--time-budget", "-5"), 2, "give a time such as 90s, 10m or 2h"),
        (("run", "--retry", "all"), 2, "choose from failed, skipped, contended"),
        (("plan", "--profile", "quik"), 2, "did you mean quick?"),
        (("run", "--only", "model=nonesuch"), 1, "nothing to measure"),
    ],
)
def test_bad_input_is_one_line_and_an_exit_code(arguments, code, expected, tmp_path):
    found, _, err = dyno(*(arguments + ("-r", str(tmp_path))))
    assert found == code and expected in err and err.count("\n") == 1 and "Traceback" not in err


def test_an_image_on_the_wrong_machine_stops_before_measuring(tmp_path):
    path = matrix(tmp_path, "backend: noop, model: resnet18, input_px: 32")
    code, _, err = dyno("run", "-m", path, "-r", str(tmp_path), env={"DYNO_PLATFORM": "jetson-jp6", "DYNO_DEVICES": "cpu"})
    assert code == 1 and err.count("\n") == 1 and "Jetson" in err
    assert not (tmp_path / "records").exists()


def test_backends_says_why_one_cannot_run_here():
    found = {item["name"]: item["reason"] for item in json.loads(dyno("backends", "--json")[1])}
    assert found["noop"] is None and {"pytorch", "onnxruntime", "openvino"} <= set(found)
    if "tensorrt" in found and found["tensorrt"]:
        assert "not installed" in found["tensorrt"]


def test_models_and_environment_answer():
    assert "resnet18" in dyno("models")[1].split()
    assert json.loads(dyno("environment")[1])["cpu"]


def test_piped_output_has_no_progress_display(tmp_path):
    _, out, err = dyno("run", "-m", matrix(tmp_path, "backend: noop, model: resnet18, input_px: 32"), "-r", str(tmp_path))
    assert "\r" not in out + err and "\033" not in out + err and err == ""


def test_calibrate_measures_the_same_cells_twice(tmp_path):
    path = matrix(tmp_path, "backend: noop, model: [resnet18, alexnet, vgg11], input_px: 32")
    _, out, err = dyno("calibrate", "-m", path, "--profile", "all", "-r", str(tmp_path))
    assert "the file has no profiles" in err
    path = matrix(tmp_path, "backend: 'fault:slow', model: [resnet18, alexnet, vgg11], input_px: 32", more="profiles: {all: {}}\n")
    _, out, err = dyno("calibrate", "-m", path, "--profile", "all", "-r", str(tmp_path), "--cells", "2")
    assert "Traceback" not in err, err
    (folder,) = (tmp_path / "calibration").iterdir()
    first, second = (sorted(line["cell_id"] for line in records(folder / side)) for side in ("a", "b"))
    assert first == second and len(first) == 2
