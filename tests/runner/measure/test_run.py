"""What a run survives, and what it measures when it is started again."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from support import dyno, matrix, record_file, records, records_so_far, start

from runner.measure import history, labels
from runner.plan.protocol import Protocol
from runner.records.cell import Cell
from runner.records.index import Summary
from runner.records.line import Line
from runner.records.replicate import replicate_from

TINY = "backend: noop, model: [resnet18, alexnet], batch_size: [1, 2], input_px: 32"


def fault(variant, more=""):
    return "backend: ['fault:%s', noop], model: resnet18, input_px: 32%s" % (variant, more)


def by_backend(tmp_path):
    return {line["cell"]["backend"]: line for line in records(tmp_path)}


def test_each_cell_becomes_one_record_and_a_second_run_measures_nothing(tmp_path):
    path = matrix(tmp_path, TINY)
    code, out, err = dyno("run", "-m", path, "-r", str(tmp_path))
    assert (code, err) == (0, "") and "4 ok" in out
    assert len({line["cell_id"] for line in records(tmp_path)}) == len(records(tmp_path)) == 4
    before = open(record_file(tmp_path), "rb").read()
    code, out, err = dyno("run", "-m", path, "-r", str(tmp_path))
    assert code == 0 and "nothing is missing" in out
    assert open(record_file(tmp_path), "rb").read() == before


@pytest.mark.any_python
def test_running_again_measures_exactly_what_is_missing(tmp_path):
    dyno("run", "-m", matrix(tmp_path, TINY), "-r", str(tmp_path), "--only", "model=alexnet")
    first = {line["id"] for line in records(tmp_path)}
    dyno("run", "-m", matrix(tmp_path, TINY), "-r", str(tmp_path))
    assert len(first) == 2
    assert [line["cell"]["model"] for line in records(tmp_path) if line["id"] not in first] == ["resnet18", "resnet18"]


@pytest.mark.any_python
def test_a_record_that_was_torn_is_measured_again(tmp_path):
    path = matrix(tmp_path, TINY)
    dyno("run", "-m", path, "-r", str(tmp_path))
    with open(record_file(tmp_path), "rb+") as file:
        file.seek(-40, os.SEEK_END)
        file.truncate()
    code, out, err = dyno("run", "-m", path, "-r", str(tmp_path))
    assert code == 0 and "1 ok" in out and "torn" in err
    assert len({line["cell_id"] for line in records(tmp_path)}) == 4


@pytest.mark.parametrize(
    "variant, phase, reason",
    [
        ("crash_load", "load", "SIGSEGV"),
        ("error_load", "load", "the graph has an operator nobody knows"),
        ("exit_measure", "measure", "exit code 7"),
        ("hang_load", "load", "timeout: no end within 3 s"),
    ],
)
def test_a_cell_that_fails_is_a_row_and_does_not_stop_the_run(tmp_path, variant, phase, reason):
    protocol = "seed: 0, warmup_min_s: 0, min_samples: 1000%s" % (", timeout_s: 3" if variant == "hang_load" else "")
    code, out, _ = dyno("run", "-m", matrix(tmp_path, fault(variant), protocol), "-r", str(tmp_path))
    assert code == 0 and "1 ok" in out and "1 failed" in out
    line = by_backend(tmp_path)["fault:" + variant]
    assert line["status"] == "failed" and line["phase"] == phase and reason in line["reason"] and "\n" not in line["reason"]
    assert by_backend(tmp_path)["noop"]["status"] == "ok"


def test_what_can_never_work_is_skipped_with_the_backends_own_reason(tmp_path):
    dyno("run", "-m", matrix(tmp_path, fault("unsupported")), "-r", str(tmp_path))
    line = by_backend(tmp_path)["fault:unsupported"]
    assert (line["status"], line["reason"]) == ("skipped", "this device has no such operator")


@pytest.mark.any_python
def test_after_out_of_memory_larger_batches_are_skipped_and_smaller_ones_measured(tmp_path):
    axes = "backend: 'fault:oom_first', model: resnet18, input_px: 32, batch_size: [1, 2, 4, 8, 16, 32]"
    dyno("run", "-m", matrix(tmp_path, axes), "-r", str(tmp_path))
    status = {line["cell"]["batch_size"]: line["status"] for line in records(tmp_path)}
    assert status[1] == status[2] == "ok" and {status[size] for size in (4, 8, 16, 32)} <= {"failed", "skipped"}
    failed = {line["cell"]["batch_size"]: line["order"] for line in records(tmp_path) if line["status"] == "failed"}
    for line in records(tmp_path):  # in whatever order: skipped if, and only if, a smaller batch had failed before
        before = [size for size in failed if size < line["cell"]["batch_size"] and failed[size] < line["order"]]
        assert (line["status"] == "skipped") == bool(before)
        assert not before or "batch %d already failed" % min(before) in line["reason"]


@pytest.mark.any_python
def test_failed_cells_are_measured_again_only_when_asked(tmp_path):
    path = matrix(tmp_path, fault("error_load"))
    dyno("run", "-m", path, "-r", str(tmp_path))
    assert "nothing is missing" in dyno("run", "-m", path, "-r", str(tmp_path))[1]
    assert "1 failed" in dyno("run", "-m", path, "-r", str(tmp_path), "--retry", "failed")[1]
    assert sorted(line["attempt"] for line in records(tmp_path) if line["status"] == "failed") == [1, 2]


def children(pid):
    found = []
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/children" % (pid, task)) as file:
            found += [int(word) for word in file.read().split()]
    return found


def wait_for(condition, timeout_s=20):
    deadline = time.time() + timeout_s
    while time.time() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def measuring(process):
    """(worker, measuring process) of a run, once there is one of the faulty backend: the order of cells is random."""

    def find():
        for worker in children(process.pid):
            for child in children(worker) if command(worker)[2:4] == ["runner.measure.worker", "fault"] else ():
                if leads_its_group(child):  # what Python 3.6 starts while it imports uuid does not
                    return worker, child

    return wait_for(find)


def leads_its_group(pid):
    try:
        return os.getpgid(pid) == pid
    except OSError:
        return False


def command(pid):
    try:
        with open("/proc/%d/cmdline" % pid) as file:
            return file.read().split("\0")
    except OSError:
        return []


def gone(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


SLOW = "seed: 0, min_samples: 30"  # 30 x 50 ms


@pytest.mark.parametrize("victim", ["child", "worker"])
def test_killing_a_measuring_process_costs_its_cell_only(tmp_path, victim):
    process = start("run", "-m", matrix(tmp_path, fault("slow"), SLOW), "-r", str(tmp_path))
    worker, child = measuring(process)
    os.kill(child if victim == "child" else worker, signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    line = by_backend(tmp_path)["fault:slow"]
    assert line["status"] == "failed" and line["signal"] == "SIGKILL"
    assert by_backend(tmp_path)["noop"]["status"] == "ok"
    wait_for(lambda: gone(child))


def test_killing_the_supervisor_leaves_whole_records_and_no_process_behind(tmp_path):
    axes = "backend: 'fault:slow', model: [resnet18, alexnet, vgg11], input_px: 32"
    path = matrix(tmp_path, axes, SLOW)
    process = start("run", "-m", path, "-r", str(tmp_path))
    wait_for(lambda: records_so_far(tmp_path))
    worker, child = measuring(process)
    process.kill()
    process.communicate(timeout=20)
    wait_for(lambda: gone(worker) and gone(child))
    done = {line["cell_id"] for line in records(tmp_path)}
    assert 1 <= len(done) < 3
    code, out, err = dyno("run", "-m", path, "-r", str(tmp_path))
    assert code == 0 and "%d ok" % (3 - len(done)) in out and not err
    assert len(records(tmp_path)) == len({line["cell_id"] for line in records(tmp_path)}) == 3


@pytest.mark.parametrize("number, name", [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "docker stop")])
def test_an_interrupt_keeps_what_is_done(tmp_path, number, name):
    axes = "backend: 'fault:slow', model: [resnet18, alexnet], input_px: 32"
    process = start("run", "-m", matrix(tmp_path, axes, SLOW), "-r", str(tmp_path))
    wait_for(lambda: records_so_far(tmp_path))
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130 and b"what is done is kept" in err and b"Traceback" not in err, name
    assert len(records(tmp_path)) == 1


@pytest.mark.any_python
def test_a_time_budget_begins_no_cell_that_would_outlast_it(tmp_path):
    axes = "backend: 'fault:slow', model: resnet18, input_px: 32, batch_size: [1, 2, 3, 4, 5, 6]"
    code, out, _ = dyno("run", "-m", matrix(tmp_path, axes, SLOW), "-r", str(tmp_path), "--time-budget", "6s")
    assert code == 0 and "left for the next run" in out
    assert 1 <= len(records(tmp_path)) <= 4


@pytest.mark.any_python
def test_a_second_run_in_the_same_folder_is_told_to_wait(tmp_path):
    axes = "backend: 'fault:slow', model: resnet18, input_px: 32"
    path = matrix(tmp_path, axes, SLOW)
    process = start("run", "-m", path, "-r", str(tmp_path))
    measuring(process)
    code, _, err = dyno("run", "-m", path, "-r", str(tmp_path))
    assert code == 1 and "another run is writing here" in err
    process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.skipif(os.geteuid() == 0 and not os.path.exists("/usr/bin/setpriv"), reason="root writes anywhere, and there is no setpriv")
def test_a_read_only_results_folder_is_one_line(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    path = matrix(tmp_path, TINY)
    os.chmod(str(folder), 0o555)
    command = [sys.executable, "-m", "runner", "run", "-m", path, "-r", str(folder)]
    if os.geteuid() == 0:  # without the right to ignore permissions
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"] + command
    from support import environment

    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    _, err = process.communicate(timeout=60)
    os.chmod(str(folder), 0o755)
    assert process.returncode == 1 and err.decode().count("\n") == 1 and "Permission denied" in err.decode()


@pytest.mark.any_python
def test_a_long_run_repeats_an_anchor_at_start_middle_and_end(tmp_path):
    axes = "backend: noop, model: resnet18, input_px: 32, batch_size: [1, 2, 3, 4, 5, 6, 7, 8]"
    path = matrix(tmp_path, axes)
    with open(path) as file:
        text = file.read().replace("anchor_from: 0", "anchor_from: 8")
    with open(path, "w") as file:
        file.write(text)
    dyno("run", "-m", path, "-r", str(tmp_path))
    lines = records(tmp_path)
    assert [(line["order"], line["anchor"]) for line in lines if line["role"] == "anchor"] == [(0, "start"), (5, "middle"), (10, "end")]
    assert len({line["cell_id"] for line in lines if line["role"] == "anchor"}) == 1
    assert sum(line["role"] == "cell" for line in lines) == 8
    assert "nothing is missing" in dyno("run", "-m", path, "-r", str(tmp_path))[1]


def test_replicates_are_processes_of_their_own(tmp_path):
    path = matrix(tmp_path, "backend: noop, model: resnet18, input_px: 64")
    with open(path) as file:
        text = file.read().replace("replicates: 1", "replicates: 3, max_replicates: 3")
    with open(path, "w") as file:
        file.write(text)
    dyno("run", "-m", path, "-r", str(tmp_path))
    line = records(tmp_path)[-1]
    assert len(line["replicates"]) == 3 and all(len(replicate["samples_s"]) >= 10 for replicate in line["replicates"])


@pytest.mark.any_python
def test_an_environment_stands_before_the_records_that_refer_to_it(tmp_path):
    dyno("run", "-m", matrix(tmp_path, TINY), "-r", str(tmp_path))
    with open(record_file(tmp_path)) as file:
        lines = [json.loads(line) for line in file]
    assert lines[0]["kind"] == "environment" and {line["environment"] for line in lines[1:]} == {lines[0]["id"]}
    facts = lines[0]["environment"]
    assert facts["threads"] >= 1 and facts["cpu"] and facts["memory_bytes"] > 0 and facts["python"]


def replicate(**more):
    return dict({"contended": False, "warmup_verdict": "steady", "samples_s": [1.0] * 10}, **more)


def quality(*replicates, **more):
    cell = Cell("cpu", "cpu", "noop", "alexnet", more.pop("precision", "fp32"), 1, 224, "latency")
    found = [replicate_from(one) for one in replicates]
    return labels.quality(Line("cell", "x", "x", None, cell, replicates=found, **dict({"sensitivity": 0.5}, **more)))


def test_labels_say_what_a_reader_must_know():
    assert quality(replicate(), replicate()) == []
    assert quality(replicate(), replicate(contended=True)) == ["contended"]
    slower = replicate(samples_s=[1.0 + 0.01 * at for at in range(10)])
    assert quality(replicate(warmup_verdict="capped")) == [] == quality(replicate(samples_s=[1.0, 1.02, 1.04, 1.06, 1.08, 1.1]))
    assert quality(slower) == quality(slower, slower, replicate()) == ["drifting"]
    assert quality(slower, replicate(), replicate()) == quality(slower, replicate(samples_s=slower["samples_s"][::-1])) == []
    assert quality(replicate(samples_s=[1.0, 1.5, 1.0, 2.0] * 5)) == ["noisy"]
    assert quality(replicate(), parity={"max_rel": 0.002}) == ["parity"]
    assert quality(replicate(), parity={"max_rel": 0.002}, precision="fp16") == []
    assert quality(replicate(), parity={"max_rel": None}) == ["parity"]
    assert quality(replicate(), sensitivity=1e-6) == ["degenerate"]


def summary(cell, **more):
    """A record of a cell, as far as it decides whether it counts."""
    known = dict(dict.fromkeys(Summary._fields), cell=cell, role="cell", status="ok", quality=[])
    return Summary(**dict(known, **more))


def test_the_estimate_of_a_cell_is_what_it_or_its_like_took_before():
    cell = Cell("cpu", "cpu", "noop", "alexnet", "fp32", 1, 224, "latency")
    other = cell._replace(model="vgg11")
    protocol = Protocol()
    assert history.estimates_s([cell], protocol, {cell: summary(cell, wall_s=7.0)}) == {cell: 7.0}
    assert history.estimates_s([cell], protocol, {other: summary(other, wall_s=9.0)}) == {cell: 9.0}
    assert 5 < history.estimates_s([cell], protocol, {})[cell] < 60


def test_contended_cells_are_missing_only_for_who_asks():
    cell = Cell("cpu", "cpu", "noop", "alexnet", "fp32", 1, 224, "latency")
    last = {cell: summary(cell, quality=["contended"])}
    assert history.missing([cell], last) == [] and history.missing([cell], last, ("contended",)) == [cell]


@pytest.mark.any_python
def test_a_sustained_run_has_records_of_its_own_and_leaves_the_cells_missing(tmp_path):
    path = matrix(tmp_path, "backend: 'fault:slow', model: resnet18, input_px: 32")
    assert "1 ok" in dyno("run", "-m", path, "-r", str(tmp_path), "--sustained", "0.02")[1]
    (line,) = records(tmp_path)
    assert line["role"] == "sustained" and 0.9 < line["replicates"][0]["sustained"]["ratio"] < 1.1
    assert "1 missing" in dyno("status", "-m", path, "-r", str(tmp_path))[1]
    assert "nothing is missing" in dyno("run", "-m", path, "-r", str(tmp_path), "--sustained", "0.02")[1]


def test_a_call_of_less_than_a_microsecond_leaves_a_record_of_ordinary_size(tmp_path):
    path = matrix(tmp_path, "backend: noop, model: resnet18, input_px: 32", "seed: 0, warmup_min_s: 0.1")
    dyno("run", "-m", path, "-r", str(tmp_path))
    (record,) = records(tmp_path)
    (measured,) = record["replicates"]
    assert len(measured["warmup_samples_s"]) == 2000 and len(json.dumps(record)) < 100000
