"""Replicates in rounds, what joins them after a kill, and what of a record file counts as done."""

import json
import signal
import time

import pytest
from support import dyno, matrix, record_file, records, start

from runner.errors import RecordError
from runner.measure import history, labels, series, stopping
from runner.networks.spec import ModelSpec
from runner.plan.protocol import Protocol
from runner.records import file as files
from runner.records.cell import Cell
from runner.records.line import Line
from runner.records.replicate import Replicate

pytestmark = pytest.mark.any_python

AXES = "backend: noop, model: [resnet18, alexnet], input_px: 32"
CELL = Cell("cpu", "cpu", "noop", "alexnet", "fp32", 1, 32, "latency")


def with_replicates(folder, count, axes=AXES, more="seed: 0"):
    path = matrix(folder, axes, more)
    with open(path) as file:
        text = file.read().replace(
            "replicates: 1", "contention_limit: 1, replicates: %d, max_replicates: %d" % (count, count)
        )  # others may work beside
    with open(path, "w") as file:
        file.write(text)
    return path


def wait_for_replicates(folder, count):
    """Until a run that is going on has written so many whole lines of replicates."""
    deadline = time.monotonic() + 30
    while True:
        text = b"".join(path.read_bytes() for path in (folder / "records").glob("*.jsonl")) if (folder / "records").is_dir() else b""
        if text[: text.rfind(b"\n") + 1].count(b'"kind":"replicate"') >= count:
            return
        assert time.monotonic() < deadline
        time.sleep(0.02)


def run(path, folder, *arguments, **options):
    code, out, err = dyno("run", "-m", path, "-r", str(folder), *arguments, **options)
    assert code == 0, err
    return out


def test_each_round_measures_every_cell_once_and_the_order_is_seeded_by_the_run(tmp_path):
    out = run(with_replicates(tmp_path, 3), tmp_path).splitlines()
    assert [line.split()[:3] for line in out[:4]] == [["round", str(number), "[%d/2]" % place] for number in (1, 2) for place in (1, 2)]
    assert [line.split()[0] for line in out[4:6]] == ["[1/2]", "[2/2]"] and " to " in out[5]  # without a terminal each replicate is a line
    lines = records(tmp_path)
    assert [sorted(one["round"] for one in line["replicates"]) for line in lines] == [[1, 2, 3]] * 2
    orders = [[one["order"] // 2 for one in line["replicates"]] for line in lines]
    assert orders == [[0, 1, 2]] * 2
    assert records(tmp_path, "environment")[0]["environment"]["order_seed"] > 0
    assert [line["attempt"] for line in records(tmp_path, "replicate")] == [1] * 4  # the last of a cell stands in its record


def test_a_killed_run_loses_the_replicate_in_progress_and_the_next_goes_on(tmp_path):
    path = with_replicates(tmp_path, 3, "backend: 'fault:slow', model: [resnet18, alexnet], input_px: 32", "seed: 0, min_samples: 12")
    process = start("run", "-m", path, "-r", str(tmp_path))
    wait_for_replicates(tmp_path, 3)
    process.kill()
    process.communicate(timeout=20)
    kept = {line["id"] for line in records(tmp_path, "replicate")}
    with open(record_file(tmp_path), "ab") as file:  # one line repeated, one whose environment nobody knows, one torn
        repeated = records(tmp_path, "replicate")[0]
        one = dict(repeated["replicates"][0], environment="env-gone")
        file.write(
            json.dumps(repeated).encode()
            + b"\n"
            + json.dumps(dict(repeated, id="orphan", environment="env-gone", replicates=[one])).encode()
            + b"\n"
        )
        file.write(json.dumps(repeated).encode()[:200])
    out = run(path, tmp_path)
    assert "2 ok" in out and "1 replicate of an earlier run is left out" in out
    lines = records(tmp_path)
    assert [len(line["replicates"]) for line in lines] == [3, 3] and [line["attempt"] for line in lines] == [1, 1]
    runs = [one["run"] for line in lines for one in line["replicates"]]
    assert sum(name == repeated["run"] for name in runs) == len(kept) and len(set(runs)) == 2


def test_replicates_of_another_machine_or_matrix_do_not_join(tmp_path):
    path = with_replicates(tmp_path, 2)
    run(path, tmp_path)
    found = history.read(record_file(tmp_path))
    last = found.last.whole(CELL)
    facts = found.environment(last.environment)
    wanted = history.expected(CELL, ModelSpec("alexnet"), Protocol())
    assert series.may_join(last, wanted, found, facts)
    changes = (
        {"host": "x"},
        {"image_digest": "x"},
        {"power_mode": "x"},
        {"frameworks": {"torch": "0"}},
        {"threads": 99},
        {"governor": "x"},
    )
    assert not any(series.may_join(last, wanted, found, dict(facts, **change)) for change in changes)
    others = (ModelSpec("resnet18"), Protocol()), (ModelSpec("alexnet"), Protocol(seed=1))
    assert not any(series.may_join(last, history.expected(CELL, *other), found, facts) for other in others)


def test_an_interrupt_writes_what_there_is_and_the_next_run_tops_it_up(tmp_path):
    path = with_replicates(tmp_path, 3, "backend: 'fault:slow', model: resnet18, input_px: 32", "seed: 0, min_samples: 12")
    process = start("run", "-m", path, "-r", str(tmp_path))
    wait_for_replicates(tmp_path, 1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    (line,) = records(tmp_path)
    assert line["ended"] == "interrupted" and 1 <= len(line["replicates"]) < 3
    assert "so far %d of 3 replicates" % len(line["replicates"]) in dyno("status", "-m", path, "-r", str(tmp_path))[1]
    assert "fewer replicates than asked" in run(path, tmp_path)
    assert len(records(tmp_path)[-1]["replicates"]) == 3


def test_more_replicates_top_a_record_up_and_fewer_are_done(tmp_path):
    run(with_replicates(tmp_path, 2), tmp_path)
    assert "nothing is missing" in run(with_replicates(tmp_path, 1), tmp_path)
    run(with_replicates(tmp_path, 3), tmp_path)
    lines = records(tmp_path)[2:]
    assert [len(line["replicates"]) for line in lines] == [3, 3] and len({one["run"] for one in lines[0]["replicates"]}) == 2


def test_what_is_stale_is_named_and_measured_again_and_again_measures_all(tmp_path):
    run(matrix(tmp_path, AXES), tmp_path)
    for axes, protocol in (
        ("backend: noop, model: [{name: resnet34, label: resnet18}, alexnet], input_px: 32", "seed: 0"),
        ("backend: noop, model: [{name: resnet34, label: resnet18, num_classes: 10}, alexnet], input_px: 32", "seed: 0"),
    ):
        changed = "the network (its code, file, weights, classes or seed) changed"
        for command, said in (("plan", "stale or unfinished: 1 cell: "), ("status", ".latency: ")):
            code, out, _ = dyno(command, "-m", matrix(tmp_path, axes, protocol), "-r", str(tmp_path))
            assert code == 0 and out.count(said + changed) == 1
        out = run(matrix(tmp_path, axes, protocol), tmp_path)
        assert "1 ok" in out and "the network (its code, file, weights, classes or seed) changed" in out
    assert "2 ok" in run(matrix(tmp_path, axes, "seed: 1"), tmp_path)
    assert "nothing is missing" in run(matrix(tmp_path, axes, "seed: 1"), tmp_path)
    assert "2 ok" in run(matrix(tmp_path, axes, "seed: 1"), tmp_path, "--again")


def test_records_of_version_1_count_as_done_and_are_named_once(tmp_path):
    path = matrix(tmp_path, AXES)
    run(path, tmp_path)
    with open(record_file(tmp_path)) as file:
        lines = [json.loads(line) for line in file]
    with open(record_file(tmp_path), "w") as file:
        for line in lines:
            for name in ("content", "asked", "ended"):
                line.pop(name, None)
            file.write(json.dumps(dict(line, schema_version=1)) + "\n")
    out = run(path, tmp_path)
    assert "nothing is missing" in out and out.count("content unknown") == 1 and "2 records count" in out
    assert "2 done" in dyno("status", "-m", path, "-r", str(tmp_path))[1]


def test_a_runner_that_meets_newer_lines_refuses_to_measure(tmp_path):
    path = matrix(tmp_path, AXES)
    run(path, tmp_path, "--only", "model=alexnet")
    with open(record_file(tmp_path), "a") as file:
        file.write('{"schema_version": 3, "kind": "cell"}\n')
    code, _, err = dyno("run", "-m", path, "-r", str(tmp_path))
    assert code == 1 and "has records of schema 3" in err and err.count("\n") == 1
    assert dyno("status", "-m", path, "-r", str(tmp_path))[0] == 0
    with pytest.raises(RecordError):
        files.read(record_file(tmp_path), refuse_newer=True)


def test_what_the_machine_lacked_is_tried_again_when_it_has_changed(tmp_path):
    path = matrix(tmp_path, "backend: 'fault:error_load', model: alexnet, input_px: 32")
    assert dyno("run", "-m", path, "-r", str(tmp_path))[0] == 1  # no cell could be measured
    assert "nothing is missing" in run(path, tmp_path)
    with open(record_file(tmp_path)) as file:
        text = file.read()
    with open(record_file(tmp_path), "w") as file:
        file.write(text.replace('"numpy":"', '"numpy":"0.'))
    code, out, _ = dyno("run", "-m", path, "-r", str(tmp_path))
    assert code == 1 and "1 failed" in out and "the machine changed (" in out


def one(median, is_contended=False):
    return Replicate([median] * 10, is_contended, wall_s=1.0)


def of(*replicates, **more):
    found = series.Series(
        CELL, Line("cell", "x", "x", None, CELL), **dict({"asked": 3, "most": 5, "retries": 2, "estimate_s": 1.0}, **more)
    )
    for replicate in replicates:
        found.add(replicate, None)
    return found


def test_replicates_that_disagree_are_joined_by_more_up_to_the_limit():
    assert of(one(1.0), one(1.01)).ended is None and of(one(1.0), one(1.01), one(1.005)).ended == "enough"
    h100 = [one(4.69), one(3.29), one(3.34)]
    assert of(*h100).ended is None and of(*(h100 + [one(4.6), one(3.3)])).ended == "limit"
    assert of(*h100[:2], asked=2).ended == "enough" and labels.spread(h100) > labels.DISAGREE
    assert stopping.between_processes([1.0]) is None


def test_a_contended_replicate_is_replaced_within_the_retries_and_two_clean_ones_make_a_cell():
    noisy, clean = one(2.0, True), one(1.0)
    assert of(noisy, noisy, clean, clean).ended is None
    enough = of(noisy, noisy, clean, clean, noisy)
    assert enough.ended == "enough"
    line = enough.record("enough")
    assert line.replicates == [clean] * 2 and len(line.discarded) == 3
    few = of(noisy, noisy, clean, noisy, noisy).record("enough")
    assert few.replicates == [clean, noisy, noisy] and len(few.discarded) == 2
