"""The command line as a user meets it."""

import importlib.util
import json
import os
import re
import resource
import subprocess
import sys

import pytest
from support import ROOT, dyno, environment, matrix, records

from runner.program.table import DECIDING, MEASURING


def test_help_is_instant_and_imports_no_framework():
    code = "import sys, runner.cli; print([name for name in ('torch', 'onnxruntime', 'openvino', 'tensorrt', 'numpy', 'pandas', 'analysis') if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], env=environment()).decode().strip() == "[]"
    spent = []  # CPU seconds: how long the machine lets us wait is not the program's doing
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        exit_code, out, _ = dyno("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert exit_code == 0
    assert min(spent) < 0.2 * (1 if sys.version_info >= (3, 8) else 2)
    there = [command for command in MEASURING + DECIDING if os.path.exists(os.path.join(ROOT, *command.module.split(".")) + ".py")]
    assert {"run", "status", "noise", "report", "compare", "predict", "recommend", "import"} <= {command.name for command in there}
    for command in there:
        assert command.name in out and command.summary in " ".join(out.split())
    assert "..." not in out.replace("[ARGS]...", "")


def test_the_help_of_no_command_imports_a_framework_or_pandas():
    code = (
        "import sys; from runner.program import program, table\n"
        "for command in table.MEASURING + table.DECIDING:\n"
        "    if program.is_here(command) and (%d or not command.module.startswith('analysis')): program.load(command)\n"
        "print([name for name in ('torch', 'onnxruntime', 'openvino', 'tensorrt', 'numpy', 'pandas', 'duckdb', 'scipy') if name in sys.modules])"
    ) % (importlib.util.find_spec("pandas") is not None)
    assert subprocess.check_output([sys.executable, "-c", code], env=environment()).decode().strip() == "[]"


def test_planning_imports_no_framework(tmp_path):
    code = (
        "import sys; from runner.plan import matrix, plan; plan.plan(matrix.load(%r), 'cpu', ('cpu',));"
        "print([name for name in ('torch', 'onnxruntime', 'openvino') if name in sys.modules])"
    ) % matrix(tmp_path, "backend: [pytorch, onnxruntime, openvino], model: [resnet18, 'timm:dpn68', hardnet68]")
    assert subprocess.check_output([sys.executable, "-c", code], env=environment()).decode().strip() == "[]"


def test_plan_lists_cells_what_is_left_out_and_the_time(tmp_path):
    path = matrix(tmp_path, "backend: noop, model: [resnet18, alexnet]", more="exclude: [{when: {model: alexnet}, reason: old}]\n")
    code, out, _ = dyno("plan", "-m", path, "-r", str(tmp_path))
    assert code == 0 and out.split("\n")[0].split() == "# network backend precision batch input scenario device time".split()
    assert "1  resnet18  noop     fp32           1    224  latency   cpu     about" in out
    assert "left out: 1 cell: old" in out and "1 cells, 1 to measure, about" in out
    assert out.endswith("next: dyno run --matrix %s --results %s\n" % (path, tmp_path))
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
        (("run", "-m", "nowhere.yaml"), 2, "nowhere.yaml: no such file; name a matrix"),
        (("run", "--only", "modl=x"), 2, "did you mean model?"),
        (("run", "--only", "model"), 2, "give field=value"),
        (("run", "--time-budget", "soon"), 2, "give a time such as 90s, 10m or 2h"),
        (("run", "--time-budget", "-5"), 2, "give a time such as 90s, 10m or 2h"),
        (("run", "--retry", "all"), 2, "choose from failed, skipped, contended"),
        (("plan", "--profile", "quik"), 2, "did you mean quick?"),
        (("run", "--only", "model=nonesuch"), 2, "nothing to measure"),
        (("run", "--sustained", "inf"), 2, "--sustained inf: give a finite number"),
        (("run", "--sustained=-NaN"), 2, "--sustained -NaN: give a finite number"),
        (("run", "--bogus"), 2, "no such option"),
        (("ran",), 2, "did you mean run?"),
    ],
)
def test_bad_input_is_one_line_and_an_exit_code(arguments, code, expected, tmp_path):
    found, _, err = dyno(*(arguments + ("-r", str(tmp_path))))
    assert found == code and expected.lower() in err.lower() and err.count("\n") == 1 and "Traceback" not in err


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


def test_noise_measures_the_same_cells_twice(tmp_path):
    path = matrix(tmp_path, "backend: noop, model: [resnet18, alexnet, vgg11], input_px: 32")
    _, out, err = dyno("noise", "-m", path, "--profile", "all", "-r", str(tmp_path))
    assert "the file has no profiles" in err
    path = matrix(tmp_path, "backend: 'fault:slow', model: [resnet18, alexnet, vgg11], input_px: 32", more="profiles: {all: {}}\n")
    _, out, err = dyno("noise", "-m", path, "--profile", "all", "-r", str(tmp_path), "--cells", "2", "--sweeps", "2")
    assert "Traceback" not in err, err
    (folder,) = (tmp_path / "noise").iterdir()
    first, second = (sorted(line["cell_id"] for line in records(folder / side)) for side in ("a", "b"))
    assert first == second and len(first) == 2


def test_a_run_without_a_terminal_prints_a_line_a_cell_then_a_table_a_count_and_what_to_type_next(tmp_path):
    path = matrix(tmp_path, "backend: ['fault:error_load', noop], model: resnet18, input_px: 32")
    code, out, _ = dyno("run", "-m", path, "-r", str(tmp_path))
    lines = out.splitlines()
    assert code == 0 and lines[0].startswith("[1/2] resnet18, ") and lines[1].startswith("[2/2] resnet18, ")
    (timed,) = [line for line in lines[:2] if "noop" in line]
    assert timed.startswith(("[1/2] resnet18, noop fp32, batch 1, 32 px: ", "[2/2] resnet18, noop fp32, batch 1, 32 px: ")) and re.search(
        r" (ms|us) to ", timed
    )
    assert lines[3].split() == "network backend precision batch input scenario device median lowest highest labels".split()
    assert "1 left out (1 failed)" in out and (tmp_path / "records" / "cpu-here.log").read_text().count("begins") == 2
    assert lines[-1] == "next: dyno run --matrix %s --results %s --retry failed" % (path, tmp_path)


def test_in_a_container_of_make_the_next_command_is_one_of_makes(monkeypatch):
    from runner.program import results

    assert results.command("run", {"--retry": "contended", "--only": ["model=a b"]}) == "dyno run --retry contended --only 'model=a b'"
    monkeypatch.setenv("DYNO_MAKE", "jetson")
    given = {"--retry": "contended", "--only": ["model=a b"], "--profile": None}
    assert results.command("run", given) == "make jetson ARGS=\"--retry contended --only 'model=a b'\""
    assert [results.command(name, {}) for name in ("run", "report", "status")] == ["make jetson", "make report", "dyno status"]


def test_strict_makes_a_failed_cell_an_error_and_so_does_a_run_without_a_single_time(tmp_path):
    path = matrix(tmp_path, "backend: ['fault:error_load', noop], model: resnet18, input_px: 32")
    assert dyno("run", "-m", path, "-r", str(tmp_path / "a"), "--strict")[0] == 1
    assert dyno("run", "-m", path, "-r", str(tmp_path / "b"), "--only", "backend=fault:error_load")[0] == 1
    assert dyno("run", "-m", path, "-r", str(tmp_path / "b"))[0] == 0  # the other cell can be measured


def test_verbose_says_what_the_workers_did(tmp_path):
    path = matrix(tmp_path, "backend: 'fault:error_load', model: resnet18, input_px: 32")
    err = dyno("run", "-m", path, "-r", str(tmp_path), "--verbose")[2]
    assert "runner.measure WARNING failed: phase load" in err and err == (tmp_path / "records" / "cpu-here.log").read_text()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a device that is always full")
def test_a_full_disk_behind_standard_output_is_one_line():
    with open("/dev/full", "w") as full:
        process = subprocess.Popen(
            [sys.executable, "-m", "runner", "models"], env=environment(), cwd=ROOT, stdout=full, stderr=subprocess.PIPE
        )
        err = process.communicate()[1].decode()
    assert process.returncode == 1 and err == "dyno: standard output: No space left on device\n"


def test_a_closed_standard_output_is_one_line():
    read, write = os.pipe()
    os.close(read)
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", "models"], env=environment(), cwd=ROOT, stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)
    assert (process.communicate()[1].decode(), process.returncode) == ("dyno: standard output: Broken pipe\n", 1)


def test_an_unexpected_error_is_one_line_that_names_the_file_of_its_traceback(tmp_path):
    (tmp_path / "bad.py").write_text("import runner.records.schema as s\ns.document = lambda: 1 / 0\nfrom runner.cli import main\nmain()\n")
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "bad.py"), "schema"], env=environment(DYNO_RESULTS=str(tmp_path)), stderr=subprocess.PIPE
    )
    err = process.communicate()[1].decode()
    assert process.returncode == 1 and err.count("\n") == 1 and err.startswith("dyno: unexpected ZeroDivisionError: division by zero; ")
    assert "Traceback" in open(err.split(" is in ")[1].strip()).read()


def test_a_command_of_the_analysis_says_where_it_is_to_be_had_where_pandas_is_absent(tmp_path):
    code = "import sys; sys.modules['pandas'] = None\nsys.path.insert(0, %r)\nfrom runner.cli import main\nmain()" % ROOT
    (tmp_path / "light.py").write_text(code)
    process = subprocess.Popen([sys.executable, str(tmp_path / "light.py"), "report"], env=environment(), stderr=subprocess.PIPE)
    err = process.communicate()[1].decode()
    assert process.returncode == 2 and err.count("\n") == 1
    assert "report needs the analysis" in err and "on the host" in err and ".whl[analysis]" in err


def test_the_live_line_moves_within_a_cell_and_results_stand_above_it(tmp_path):
    import pty

    path = matrix(tmp_path, "backend: 'fault:slow', model: [resnet18, alexnet], input_px: 32")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", "run", "-m", path, "-r", str(tmp_path)], env=environment(), cwd=ROOT, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how Linux says that the other end was closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert process.wait() == 0
    text = shown.decode()
    assert text.count("\r\033[K[1/2] ") >= 1 and text.index("[1/2] ") < text.index("[2/2] ")
    assert "2 clean" in text or "reservation" in text


def test_a_command_may_have_commands_of_its_own(tmp_path):
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "__init__.py").write_text("")
    (tmp_path / "extra" / "grouped.py").write_text(
        "import typer\n"
        "def register(app):\n"
        "    group = typer.Typer(no_args_is_help=True)\n"
        "    app.add_typer(group, name='fleet')\n"
        "    group.command('plan')(lambda: typer.echo('planned'))\n"
        "    group.command('run')(lambda: typer.echo('ran'))\n"
    )
    (tmp_path / "main.py").write_text(
        "from runner.program.program import application\n"
        "from runner.program.table import Command\n"
        "application({'All': (Command('fleet', 'Many machines.', 'extra.grouped'),)}, 'A test.')()\n"
    )

    def said(*arguments):
        path = os.pathsep.join((ROOT, str(tmp_path)))
        command = [sys.executable, str(tmp_path / "main.py"), "fleet"] + list(arguments)
        process = subprocess.Popen(command, env=environment(PYTHONPATH=path), stdout=subprocess.PIPE)
        return process.communicate()[0].decode(), process.returncode

    assert said("plan") == ("planned\n", 0)
    help_, code = said()
    assert code in (0, 2) and "plan" in help_ and "run" in help_  # 0 by click 8.0, the last for Python 3.6
