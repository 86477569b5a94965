"""What a run does when time, memory or the clock let it down: real limits, real processes."""

import contextlib
import glob
import os
import re
import resource
import subprocess
import sys
import time
import uuid

import pytest
from support import ROOT, dyno, environment, matrix, record_file, records, start

from runner import files
from runner.measure import history, outcome, pool
from runner.measure.job import MEASURE, Request
from runner.networks.spec import ModelSpec
from runner.plan.protocol import Protocol
from runner.records.cell import Cell

pytestmark = pytest.mark.any_python
HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SIZES = "model: resnet18, input_px: 32, batch_size: [1, 2, 16, 32, 64]"  # 64 MiB an image


def statuses(folder):
    return {line["cell"]["batch_size"]: line["status"] for line in records(folder)}


def check_larger_are_skipped(folder, smallest, reason):
    """Batches below ``smallest`` are measured; of the others some were tried, the rest skipped because those had failed."""
    found = statuses(folder)
    assert all(found[size] == "ok" for size in found if size < smallest), records(folder)
    large = {found[size] for size in found if size >= smallest}
    assert "failed" in large and large <= {"failed", "skipped"}
    tried = {line["cell"]["batch_size"]: line["order"] for line in records(folder) if line["status"] == "failed"}
    for line in records(folder):
        before = [size for size in tried if size < line["cell"]["batch_size"] and tried[size] < line["order"]]
        assert (line["status"] == "skipped") == bool(before)
    for line in records(folder):
        if line["status"] == "failed":
            assert reason in line["reason"] and line["phase"] == "load"
        if line["status"] == "skipped":
            failed = [size for size in found if found[size] == "failed" and size < line["cell"]["batch_size"]]
            assert re.match(r"batch (\d+) already failed: .*" + re.escape(reason), line["reason"])
            assert int(line["reason"].split()[1]) in failed


@pytest.mark.parametrize("limit", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_memory_that_a_ulimit_refuses_is_a_row_and_larger_batches_are_skipped(tmp_path, limit):
    most = (900 if limit == "RLIMIT_AS" else 500) << 20
    path = matrix(tmp_path, "backend: 'fault:hog', " + SIZES)
    code, _, err = dyno(
        "run", "-m", path, "-r", str(tmp_path), preexec_fn=lambda: resource.setrlimit(getattr(resource, limit), (most, most))
    )
    assert code == 0, err
    check_larger_are_skipped(tmp_path, 16, "MemoryError")


def leave(folder):
    """Remove a cgroup as soon as it is empty."""
    wait_for(lambda: not open(os.path.join(folder, "cgroup.procs")).read())
    os.rmdir(folder)


@contextlib.contextmanager
def cgroup(most):
    """The file ``cgroup.procs`` of a new memory cgroup; skips where none can be made."""
    name = "dyno-test-" + uuid.uuid4().hex[:8]
    for root, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        folder = os.path.join(root, name)
        try:
            os.mkdir(folder)
        except OSError:
            continue
        try:
            with open(os.path.join(folder, limit), "w") as file:
                file.write(str(most))
        except OSError:
            os.rmdir(folder)
            continue
        for swap, value in (("memory.memsw.limit_in_bytes", most), ("memory.swap.max", 0)):
            with contextlib.suppress(OSError), open(os.path.join(folder, swap), "r+") as file:
                file.write(str(value))
        try:
            yield os.path.join(folder, "cgroup.procs")
        finally:
            leave(folder)
        return
    pytest.skip("no memory cgroup can be made here")


def test_what_the_kernel_kills_in_a_full_cgroup_is_a_row_that_says_so_and_the_run_goes_on(tmp_path):
    path = matrix(tmp_path, "backend: ['fault:hog', noop], " + SIZES)

    def enter(procs):
        with open(procs, "w") as file:
            file.write(str(os.getpid()))

    with cgroup(500 << 20) as procs:
        code, out, err = dyno("run", "-m", path, "-r", str(tmp_path), preexec_fn=lambda: enter(procs))
    assert code == 0, err
    hogs = [line for line in records(tmp_path) if line["cell"]["backend"] == "fault:hog"]
    assert all(line["status"] == "ok" for line in records(tmp_path) if line not in hogs)
    killed = [line for line in hogs if line["status"] == "failed"]
    assert killed and all((line["signal"], line["phase"]) == ("SIGKILL", "load") for line in killed)
    known = outcome.oom_kills() is not None
    assert all(line["reason"].endswith("out of memory" if known else "want of memory") for line in killed)
    assert {line["cell"]["batch_size"] for line in hogs if line["status"] == "ok"} >= {1, 2}
    skipped = [line for line in hogs if line["status"] == "skipped"]
    assert all("already failed: the measuring process was ended by SIGKILL" in line["reason"] for line in skipped)


def test_a_kill_without_want_of_memory_costs_no_other_batch():
    for kills, expected in ((0, False), (1, True), (None, True)):
        killed = outcome.Outcome(phase="measure", oom_kills=kills)
        killed.ended_by("the measuring process", "SIGKILL")
        assert killed.out_of_memory is expected and ("memory" in killed.reason) is expected
    late = outcome.Outcome(phase="measure", reason="timeout: no end within 1 s", signal="SIGKILL", timed_out=True)
    assert late.too_large and not late.out_of_memory
    assert not outcome.Outcome(phase="prepare", reason="timeout: no end within 1 s").too_large


def test_kernels_that_do_not_count_their_kills_are_no_error(tmp_path):
    path = tmp_path / "vmstat"
    for text, expected in (("nr_free 1\noom_kill 7\n", 7), ("nr_free 1\n", None), ("oom_kill many\n", None)):
        path.write_text(text)
        assert outcome.oom_kills(str(path)) == expected
    assert outcome.oom_kills(str(tmp_path / "none")) is None


def test_a_load_that_hangs_is_a_row_and_larger_batches_are_skipped(tmp_path):
    axes = "backend: 'fault:hang_load_from_4', model: resnet18, input_px: 32, batch_size: [1, 2, 4, 8, 16]"
    code, out, err = dyno("run", "-m", matrix(tmp_path, axes, "seed: 0, timeout_s: 3"), "-r", str(tmp_path))
    assert code == 0, err
    check_larger_are_skipped(tmp_path, 4, "timeout: no end within 3 s (phase load)")


@pytest.mark.parametrize("variant, reason", [("hang_load_from_4", "timeout: no end"), ("oom_first", "can't allocate 4 TB")])
def test_what_an_earlier_run_found_too_large_is_not_tried_again_in_larger_batches(tmp_path, variant, reason):
    axes = "backend: 'fault:%s', model: resnet18, input_px: 32, batch_size: [2, 4, 8, 16]" % variant
    path = matrix(tmp_path, axes, "seed: 0, timeout_s: %d" % (4 if variant.startswith("hang") else 60))
    assert "1 failed" in dyno("run", "-m", path, "-r", str(tmp_path), "--only", "batch_size=4")[1]
    assert "1 ok, 2 skipped" in dyno("run", "-m", path, "-r", str(tmp_path))[1]
    assert all(
        "batch 4 already failed: " in line["reason"] and reason in line["reason"] for line in records(tmp_path)[2:] if line["reason"]
    )
    dyno("run", "-m", path, "-r", str(tmp_path), "--retry", "failed", "--retry", "skipped")
    again = [line for line in records(tmp_path) if line["attempt"] == 2]
    assert sorted(line["cell"]["batch_size"] for line in again) == [4, 8, 16]
    assert any(line["status"] == "failed" for line in again)  # asked for, it is tried again


def wait_for(condition, timeout_s=20):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def alive(mark):
    found = []
    for path in glob.glob("/proc/[0-9]*/environ"):
        with contextlib.suppress(OSError), open(path, "rb") as file:
            if mark.encode() in file.read():
                found.append(path)
    return found


def test_what_a_measuring_process_has_started_ends_with_it(tmp_path):
    mark = uuid.uuid4().hex
    path = matrix(tmp_path, "backend: 'fault:orphan', model: resnet18, input_px: 32", "seed: 0, timeout_s: 1")
    code, _, err = dyno("run", "-m", path, "-r", str(tmp_path), env={"DYNO_TEST_MARK": mark})
    assert code == 1 and "timeout" in records(tmp_path)[0]["reason"], err
    wait_for(lambda: not alive(mark))


def test_a_clock_that_steps_back_within_a_cell_changes_no_duration_and_no_order(tmp_path):
    flag = str(tmp_path / "an-hour-back")
    path = matrix(tmp_path, "backend: 'fault:slow', model: [resnet18, alexnet], input_px: 32", "seed: 0, min_samples: 20")
    env = {"DYNO_TEST_CLOCK": flag, "PYTHONPATH": os.pathsep.join((os.path.join(HERE, "stepping"), ROOT))}
    process = start("run", "-m", path, "-r", str(tmp_path), "--time-budget", "10m", env=env)
    wait_for(lambda: glob.glob(str(tmp_path / "records" / "*.jsonl")) and b'"environment"' in open(record_file(tmp_path), "rb").read())
    time.sleep(0.5)  # the first cell takes 1.1 s and more
    open(flag, "w").close()
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
    first, second = records(tmp_path)
    assert second["started_at"] < first["started_at"]
    for line in (first, second):
        (replicate,) = line["replicates"]
        spans = replicate["spans"]
        assert all(value is None or 0 <= value < 60 for value in spans.values())
        assert spans["measure_s"] == pytest.approx(sum(replicate["samples_s"]), rel=0.05)
        assert spans["measure_s"] < spans["process_s"] < line["wall_s"] < 60
        assert all(0.04 < sample < 1 for sample in replicate["samples_s"])
        assert replicate["contention"]["window_s"] == pytest.approx(spans["measure_s"], rel=0.05)


def test_the_attempt_that_counts_is_the_last_one_in_the_file_whatever_the_clock_said(tmp_path):
    flag = str(tmp_path / "an-hour-back")
    path = matrix(tmp_path, "backend: ['fault:error_load', noop], model: resnet18, input_px: 32")
    env = {"DYNO_TEST_CLOCK": flag, "PYTHONPATH": os.pathsep.join((os.path.join(HERE, "stepping"), ROOT))}
    for _ in range(2):
        dyno("run", "-m", path, "-r", str(tmp_path), "--retry", "failed", env=env)
        open(flag, "w").close()
    lines = [line for line in records(tmp_path) if line["status"] == "failed"]
    assert [line["attempt"] for line in lines] == [1, 2] and lines[1]["started_at"] < lines[0]["started_at"]
    last = history.read(record_file(tmp_path)).last
    assert sorted(line.attempt for line in last.values()) == [1, 2]


def test_no_module_of_the_runner_reads_the_wall_clock_but_to_date_a_record():
    found = set()
    for folder, _, names in os.walk(os.path.join(ROOT, "runner")):
        for name in names:
            if name.endswith(".py"):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    found |= {(name, word) for word in re.findall(r"time\.(?:time|clock|localtime|ctime)\b|datetime|timeit", file.read())}
    assert found == {("session.py", "time.time")}  # the id of a run


def test_a_lock_waits_for_its_holder_and_is_free_when_that_is_killed(tmp_path):
    path = str(tmp_path / "lock")
    code = "import sys, time; from runner import files\nwith files.locked(sys.argv[1]):\n    print(1, flush=True); time.sleep(600)\n"
    holder = subprocess.Popen([sys.executable, "-c", code, path], env=environment(), stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"1\n"
    waiting = subprocess.Popen(
        [sys.executable, "-c", code.replace("; time.sleep(600)", ""), path], env=environment(), stdout=subprocess.PIPE
    )
    time.sleep(0.5)
    assert waiting.poll() is None
    holder.kill()
    assert waiting.communicate(timeout=20)[0] == b"1\n" and waiting.returncode == 0
    holder.communicate()
    with files.locked(path):
        pass


def test_where_memory_is_scarce_the_old_worker_has_ended_before_the_next_one_starts(tmp_path, monkeypatch):
    monkeypatch.setenv("DYNO_BACKENDS", os.path.join(HERE, "faulty"))
    seen = []

    class Watched(pool.Worker):
        def __init__(self, backend, env=None):
            seen.append([os.path.exists("/proc/%d" % worker.pid) for worker in started])
            super().__init__(backend, env)
            started.append(self)

    monkeypatch.setattr(pool, "Worker", Watched)
    for is_scarce, expected in ((True, [[], [False], [False, False]]), (False, [[], [True]])):
        started, seen[:] = [], []
        workers = pool.Pool(str(tmp_path))
        workers.one_at_a_time = is_scarce
        try:
            for backend in ("noop", "noop", "fault", "noop"):
                cell = Cell("cpu", "cpu", backend, "resnet18", "fp32", 1, 32, "latency")
                request = Request(
                    MEASURE, cell, ModelSpec("resnet18"), Protocol(max_time_s=0.1, min_time_s=0.01, warmup_max_s=0.1), str(tmp_path), 1
                )
                assert workers.run(backend, request, 30.0).result is not None
        finally:
            workers.close()
        assert seen == expected
