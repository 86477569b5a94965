"""SIGKILL at every place of a run: one cell is lost, no process stays behind, and running again measures what is missing."""

import glob
import json
import os
import subprocess
import sys
import time
import uuid

import pytest
from support import ROOT, dyno, environment, matrix, need_torch, record_file, records

pytestmark = pytest.mark.any_python
HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PHASES = ("load", "first", "warm-up", "measure", "outputs")
PLACES = (
    "half a line of environment",
    "half a line of cell",
    "setting a torn line aside",
    "forking a worker",
    "between cells",
    "written, not flushed",
)


class Killing:
    """Runs in one folder, in each of which one process is killed once; every process carries a mark to be found by."""

    def __init__(self, folder, axes, protocol="seed: 0, min_samples: 100"):
        self.folder, self.mark = folder, uuid.uuid4().hex
        self.path = matrix(folder, axes, protocol)
        self.armed = str(folder / "armed")

    def run(self, victim, place, *arguments):
        """(exit code, standard error) of a run in which ``victim`` is killed at ``place``."""
        open(self.armed, "w").close()
        paths = os.pathsep.join((ROOT, HERE))
        env = environment(DYNO_TEST_KILL="%s:%s" % (victim, place), DYNO_TEST_ARMED=self.armed, DYNO_TEST_MARK=self.mark, PYTHONPATH=paths)
        program = [os.path.join(HERE, "killing.py")] if victim == "supervisor" else ["-m", "runner"]
        command = [sys.executable] + program + ["run", "-m", self.path, "-r", str(self.folder)] + list(arguments)
        process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        _, err = process.communicate(timeout=120)
        assert not os.path.exists(self.armed), "nothing was killed at %s: %s" % (place, err.decode())
        return process.returncode, err.decode()

    def left(self):
        """Processes of these runs that still live."""
        found = []
        for path in glob.glob("/proc/[0-9]*/environ"):
            try:
                with open(path, "rb") as file, open(path.replace("environ", "stat")) as stat:
                    if self.mark.encode() in file.read() and stat.read().rpartition(")")[2].split()[0] not in "ZX":
                        found.append(path)
            except OSError:
                pass
        return found

    def check_nothing_is_left(self):
        deadline = time.monotonic() + 10
        while self.left():
            assert time.monotonic() < deadline, "processes were left behind"
            time.sleep(0.02)

    def resume(self):
        """Run to the end, nobody killed: (standard output, standard error)."""
        code, out, err = dyno("run", "-m", self.path, "-r", str(self.folder), env={"PYTHONPATH": os.pathsep.join((ROOT, HERE))})
        assert code == 0, err
        return out, err


@pytest.mark.parametrize("victim", ["child", "worker"])
@pytest.mark.parametrize("phase", PHASES)
def test_a_process_killed_in_any_phase_costs_its_cell_and_the_record_names_phase_and_signal(tmp_path, victim, phase):
    run = Killing(tmp_path, "backend: killed, model: [resnet18, alexnet], input_px: 32")
    code, err = run.run(victim, phase)
    assert code == 0, err
    assert sorted(line["status"] for line in records(tmp_path)) == ["failed", "ok"]
    (line,) = [line for line in records(tmp_path) if line["status"] == "failed"]
    assert (line["phase"], line["signal"]) == (phase, "SIGKILL")
    assert {"child": "the measuring process", "worker": "the worker"}[victim] + " was ended by SIGKILL in phase " + phase in line["reason"]
    run.check_nothing_is_left()


def test_a_worker_killed_while_it_imports_costs_its_cell(tmp_path):
    run = Killing(tmp_path, "backend: killed, model: [resnet18, alexnet], input_px: 32")
    assert run.run("worker", "import")[0] == 0
    assert sorted((line["status"], line["phase"], line["signal"]) for line in records(tmp_path) if line["status"] == "failed") == [
        ("failed", "import", "SIGKILL")
    ]
    assert len(records(tmp_path)) == 2


def prepared(tmp_path):
    need_torch()
    return Killing(tmp_path, "backend: pytorch, model: ['killing:network', resnet18], input_px: 32")


@pytest.mark.parametrize("victim", ["child", "worker", "supervisor"])
def test_a_process_killed_while_files_are_prepared_leaves_no_half_file(tmp_path, victim):
    run = prepared(tmp_path)
    code, err = run.run(victim, "prepare", "--only", "model=killing:network")
    run.check_nothing_is_left()
    if victim == "supervisor":
        assert code == -9 and records(tmp_path) == []
    else:
        (line,) = records(tmp_path)
        assert (code, line["status"], line["phase"], line["signal"]) == (1, "failed", "prepare", "SIGKILL"), (
            err
        )  # no cell could be measured
        code, out, _ = dyno("status", "-m", run.path, "-r", str(tmp_path))
        assert "1 failed" in out
    args = ("--only", "model=killing:network", "--retry", "failed")
    code, out, err = dyno("run", "-m", run.path, "-r", str(tmp_path), *args, env={"PYTHONPATH": os.pathsep.join((ROOT, HERE))})
    assert code == 0 and "1 ok" in out, err
    assert not glob.glob(str(tmp_path / "cache" / "networks" / "*" / "*.part"))


def resumed(run, places, cells):
    """Kill the supervisor at one place after the other in one folder, then let it end: (records, warnings of the last run)."""
    for place in places:
        before = {line["id"] for line in records(run.folder)} if glob.glob(str(run.folder / "records" / "*.jsonl")) else set()
        code, err = run.run("supervisor", place)
        assert (code, err.count("Traceback")) == (-9, 0), (place, err)
        run.check_nothing_is_left()
        assert before <= {line["id"] for line in whole(run.folder)}, place
    out, err = run.resume()
    lines = records(run.folder)
    assert sorted(line["cell_id"] for line in lines) == sorted({line["cell_id"] for line in lines}) and len(lines) == cells
    assert all(line["status"] == "ok" and line["attempt"] == 1 for line in lines)
    return out, err


def whole(folder):
    """The cell records of a file whose last line may be torn."""
    with open(record_file(folder), "rb") as file:
        lines = file.read().split(b"\n")[:-1]
    return [line for line in map(json.loads, (line.decode() for line in lines)) if line["kind"] == "cell"]


def records_of(folder):
    return whole(folder) if glob.glob(str(folder / "records" / "*.jsonl")) else []


@pytest.mark.parametrize("places", [PHASES[:2], PHASES[2:], ("import",)], ids=lambda places: "+".join(places))
def test_a_supervisor_killed_in_any_phase_takes_its_worker_along_and_the_next_run_goes_on(tmp_path, places):
    run = Killing(tmp_path, "backend: killed, model: [resnet18, alexnet], input_px: 32")
    out, err = resumed(run, places, 2)
    assert err == "" and {line["cell"]["model"] for line in records(tmp_path)} == {"resnet18", "alexnet"}
    assert ": 2 ok\n" in out  # each kill met the first cell of its run, before there was a record


@pytest.mark.parametrize("place", PLACES)
def test_a_supervisor_killed_at_a_place_of_its_own_loses_one_cell_at_most(tmp_path, place):
    run = Killing(tmp_path, "backend: noop, model: [resnet18, alexnet, vgg11], input_px: 32")
    if place == "setting a torn line aside":
        assert dyno("run", "-m", run.path, "-r", str(tmp_path), "--only", "model=alexnet")[0] == 0
        with open(record_file(tmp_path), "ab") as file:
            file.write(b'{"schema_version": 1, "kind": "cell", "id"')
    code, err = run.run("supervisor", place)
    assert (code, err) == (-9, "")
    run.check_nothing_is_left()
    done = records_of(tmp_path)
    assert len(done) == {"between cells": 1, "written, not flushed": 1, "setting a torn line aside": 1}.get(place, 0)
    out, err = run.resume()
    assert "%d ok" % (3 - len(done)) in out and ("torn" in err) == ("half a line" in place or "torn" in place)
    assert {line["id"] for line in done} <= {line["id"] for line in records(tmp_path)}
    assert len({line["cell_id"] for line in records(tmp_path)}) == len(records(tmp_path)) == 3


def test_killed_at_any_moment_and_run_again_until_it_is_done_measures_each_cell_once(tmp_path):
    run = Killing(tmp_path, "backend: noop, model: resnet18, input_px: 32, batch_size: [1, 2, 3, 4, 5, 6, 7, 8]", "seed: 0")
    env = environment(DYNO_TEST_MARK=run.mark)
    for number in range(8):
        command = [sys.executable, "-m", "runner", "run", "-m", run.path, "-r", str(tmp_path)]
        process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.3 + 0.21 * number)
        process.kill()
        _, err = process.communicate(timeout=30)
        assert b"Traceback" not in err
        run.check_nothing_is_left()
    run.resume()
    lines = records(tmp_path)
    assert len({line["cell_id"] for line in lines}) == len(lines) == 8 and {line["status"] for line in lines} == {"ok"}
