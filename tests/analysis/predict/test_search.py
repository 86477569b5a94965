"""The search: it finds the best within limits after few measurements, knows when to stop, and says so when nothing can be found."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from searches import a_task, measured
from typer.testing import CliRunner

from analysis.cli import app
from analysis.data import catalogue
from analysis.errors import FrameError
from analysis.frame import noise
from analysis.predict import answer, blend, candidates, drive, path, predictor, public, search, searching
from analysis.predict.limits import Limits
from analysis.predict.networks import Networks
from analysis.predict.searching import Arm, Task
from runner.plan import matrix, plan

NOTHING = np.empty(0, int)


def table(name, count=400):
    """A pool of a public machine's networks that have a published Top-1, and their seconds per image."""
    machine = next(m for m in public.machines() if name in m.name)
    weights = catalogue.load().weights.groupby(["model", "input_px"])["top1"].max()
    top1 = {f"{model} at {px} px": value for (model, px), value in weights.items()}
    rows = np.array([i for i, model in enumerate(machine.nets.model) if model in top1])[:: max(1, 1000 // count)]
    n = machine.nets[rows]
    one = Networks(n.macs, n.bytes, n.out, n.count, n.params, np.ones(len(n)), n.model, n.family)
    return search.Pool(one, np.array([top1[m] for m in n.model]), np.zeros(len(n), int)), np.exp(machine.log[rows])


def seen(rows, y, failed=()):
    rows = np.array(rows, int)
    return search.Seen(rows, y[rows], np.array(failed, int), np.ones(len(rows), bool))


def sources(name):
    return [m.source(m.kind != "gpu") for m in public.without(name)]


def searched(pool, y, limit, given, most=20, broken=()):
    order, failed = [], []
    while len(order) < most:
        choice = search.choose(pool, seen(order, y, failed), limit, given)
        if choice.done:
            break
        (failed if choice.row in broken else order).append(choice.row)
    return order, failed, choice


@pytest.mark.parametrize("quantile", [0.2, 0.6])
def test_the_best_within_a_limit_is_found_in_twelve_measurements_from_other_machines(quantile):
    pool, y = table("rtx4090")
    limit = float(np.quantile(y, quantile))
    order, _, choice = searched(pool, y, limit, sources("rtx4090"), 12)
    assert pool.top1[y <= limit].max() - pool.top1[choice.best] <= search.GAIN and y[choice.best] <= limit
    assert len(set(order)) == len(order)


def test_a_search_that_ends_leaves_hardly_a_chance_of_a_better_one():
    pool, y = table("rtx4090")
    order, _, choice = searched(pool, y, float(np.median(y)), sources("rtx4090"), 25)
    assert choice.done and choice.doubt < search.DOUBT and len(order) < 25


def test_networks_that_fail_are_not_asked_for_again_and_the_search_goes_on():
    pool, y = table("rtx4090", 300)
    broken = set(range(0, len(pool), 2))
    order, failed, choice = searched(pool, y, float(np.median(y)), sources("rtx4090"), 12, broken)
    assert len(set(failed)) == len(failed) and not set(order) & broken and choice.best not in broken
    assert pool.top1[choice.best] > 75


def test_a_limit_that_nothing_meets_ends_without_an_answer():
    pool, y = table("rtx4090", 100)
    _, _, choice = searched(pool, y, float(y.min()) / 50, sources("rtx4090"), 30)
    assert choice.best is None and choice.done


def test_the_faster_of_two_arms_is_learnt_from_networks_that_both_ran():
    pool, y = table("rtx4090", 200)
    count = len(pool)
    both = search.Pool(pool.nets[np.tile(np.arange(count), 2)], np.tile(pool.top1, 2), np.repeat([0, 1], count))
    times, limit = np.concatenate([y, y / 2]), float(np.median(y))
    _, _, choice = searched(both, times, limit, sources("rtx4090"), 20)
    assert choice.best >= count and both.top1[times <= limit].max() - both.top1[choice.best] <= search.GAIN


@pytest.mark.parametrize("quantile", [0.3, 0.7])
def test_a_search_over_two_set_ups_of_a_machine_ends_by_itself_and_keeps_its_promise(quantile):
    (one, y), (two, z) = table("nchw-pt240-cu124-rtx3090", 1000), table("nhwc-pt240-cu124-rtx3090", 1000)
    _, mine, theirs = np.intersect1d(one.nets.model.astype(str), two.nets.model.astype(str), return_indices=True)
    both = search.Pool(one.nets[np.tile(mine, 2)], np.tile(one.top1[mine], 2), np.repeat([0, 1], len(mine)))
    times = np.concatenate([y[mine], z[theirs]])
    limit = float(np.quantile(times, quantile))
    order, _, choice = searched(both, times, limit, sources("rtx3090"), 20)
    assert choice.done and len(order) < 20
    assert both.top1[times <= limit].max() - both.top1[choice.best] <= search.GAIN


def test_memory_that_was_not_measured_meets_no_limit():
    row = {"memory_mb": np.nan, "energy_j": np.nan, "precision": "fp32"}
    assert not searching._others_met(row, Limits(memory_mb=100)) and searching._others_met(row, Limits(latency_s=1))


@pytest.mark.parametrize(
    ("name", "left"),
    [("amp-nhwc-pt291-cu130-rtx3090", 2), ("rtx4090", 3), ("fp32-nchw-pt291-cpu-i9_10940x", 3), ("rtx5090", 4), ("i7_12700h", 4)],
)
def test_a_judged_device_is_no_source_of_itself_whatever_the_version(name, left):
    assert len(public.without(name)) == left


def test_the_blend_carries_over_where_that_is_better_and_is_within_eight_percent_after_ten():
    pool, y = table("rtx4090")
    rows = np.random.default_rng(0).permutation(len(pool))
    train, test = rows[:10], rows[10:]
    made = blend.blend(pool.nets[train], y[train], sources("rtx4090"), predictor.train(pool.nets[train], y[train]))
    value, low, high = made.predict(pool.nets[test])
    own = predictor.train(pool.nets[train], y[train]).predict(pool.nets[test]).value
    error, alone = (np.median(np.abs(v / y[test] - 1)) for v in (value, own))
    assert error < 0.08 < alone
    assert ((low <= y[test]) & (y[test] <= high)).mean() > 0.87


def test_a_source_of_another_regime_does_not_worsen_what_is_measured_here():
    pool, y = table("i9_10940x")
    own, mixed = [], []
    for seed in range(3):
        rows = np.random.default_rng(seed).permutation(len(pool))
        train, test = rows[:40], rows[40:]
        alone = predictor.train(pool.nets[train], y[train])
        made = blend.blend(pool.nets[train], y[train], [m.source(True) for m in public.without("i9_10940x")], alone)
        own.append(np.median(np.abs(alone.predict(pool.nets[test]).value / y[test] - 1)))
        mixed.append(np.median(np.abs(made.predict(pool.nets[test])[0] / y[test] - 1)))
    assert np.mean(mixed) <= np.mean(own)


def test_every_candidate_is_one_graph_with_its_best_weights_and_licences_are_kept_to():
    found = candidates.catalogued()
    assert len({c.key for c in found}) == len(found) > 1000
    free = candidates.catalogued("commercial")
    assert 0 < len(free) < len(found) and not any(c.terms.startswith("non-commercial") for c in free)
    assert all(c.top1 >= 85 for c in candidates.catalogued(min_top1=85))


def test_next_prints_a_matrix_that_the_runner_takes_the_same_one_when_asked_again_and_another_when_it_left_no_record(tmp_path):
    places = drive.Places(tmp_path)
    first, second, third = (drive.next_matrix(a_task(), places, 20) for _ in range(3))
    loaded = matrix.parse(first)
    assert list(loaded.blocks[0]["backend"]) == ["onnxruntime"]
    assert {cell.device for cell in plan.plan(loaded, "board", ("cpu", "gpu")).cells} == {
        "cpu"
    }  # no other device of the machine is measured
    assert first == second and second.splitlines()[1:] != third.splitlines()[1:]
    path.file_in(tmp_path).open("a").write('{"torn')
    assert drive.next_matrix(a_task(), places, 20).startswith("# timm:")


def test_the_path_says_what_was_expected_and_what_came_and_a_cell_asked_for_by_a_killed_search_is_asked_for_again(tmp_path):
    task, places = a_task(), drive.Places(tmp_path)
    now, _ = drive._now(task, places)
    row = now.choice.row
    drive._asked(places, now, row, now.choice.why)
    again, way = drive._now(task, places)  # killed before the cell was measured
    assert again.choice.row == row and task.key(row) in way.asked and not way.left_out
    without, _ = drive._now(task, places, [task.key(row)])  # dyno run ended, and there is no record
    drive._done(places, without, row)
    assert drive._now(task, places)[0].choice.row != row
    table = path.table(tmp_path)
    assert list(table["step"]) == [1] and table["low_ms"][0] < table["expected_ms"][0] < table["high_ms"][0]
    assert table["reason"][0] == "left out by the matrix or the device" and table["meets"][0] == False  # noqa: E712


def test_networks_measured_before_a_search_do_not_count_as_its_measurements(tmp_path):
    task, places = a_task(), drive.Places(tmp_path)
    now, way = drive._now(task, places)
    assert drive._wanted(now, way, 1) is not None
    drive._asked(places, now, now.choice.row, "")
    now, way = drive._now(task, places, [task.key(now.choice.row)])
    assert drive._wanted(now, way, 1) is None and drive._wanted(now, way, 2) is not None


def test_what_a_busy_machine_says_is_marked_and_measured_once_more_where_it_would_be_the_answer():
    now = searching.state(a_task(), None)
    row = int(np.argmax(now.pool.top1))
    record = dict.fromkeys(noise.COLUMNS, np.nan) | {
        "latency_s": 0.06,
        "noise": np.nan,
        "n_replicates": 1,
        "contended": True,
        "precision": "fp32",
    }
    busy = dataclasses.replace(now, records={row: record})
    assert "1 of them beside busy neighbours" in answer.text(busy) and "beside busy neighbours, " in answer.outcome(busy, row)
    assert searching.again(busy) == row  # 1.5 times the limit
    quiet = dataclasses.replace(now, records={row: record | {"contended": False}})
    assert searching.again(quiet) is None and "busy" not in answer.text(quiet)


def test_what_missed_beside_busy_neighbours_teaches_nothing_and_stays_open_until_it_was_asked_for_again():
    task = a_task()
    frame = measured(task, (0, 0.03, False, {}), (1, 0.9, True, {}), (2, 0.03, True, {}))
    now = searching.state(task, frame)
    assert list(now.seen.rows) == [0, 2] and now.met(0) and now.met(2) and not now.met(1) and 0 < now.choice.chance[1] < 1
    assert list(searching.state(task, frame, twice=[task.key(1)]).seen.rows) == [0, 1, 2]


def test_a_time_counts_for_every_name_and_tag_of_the_same_graph():
    twins = next(c for c in candidates.catalogued() if c.also)
    task = Task((twins,), (Arm("onnxruntime", "fp32", "cpu"),), Limits(latency_s=0.04), 1)
    for name in twins.names:
        assert searching.state(task, measured(task, (0, 0.03, False, {"model": name}))).met(0)
    timm = next(name for c in candidates.catalogued() for name in [c.model] if name.startswith("timm:"))
    task = Task((next(c for c in candidates.catalogued() if c.model == timm),), task.arms, task.limits, 1)
    assert searching.state(task, measured(task, (0, 0.03, False, {"model": f"{timm}.some_tag"}))).met(0)


@pytest.mark.parametrize(("parity", "meets"), [(0.01, True), (0.5, False), (np.nan, False)])
def test_a_half_precision_is_an_answer_only_where_its_outputs_agree_with_fp32s(parity, meets):
    task = Task(tuple(candidates.catalogued()[:20]), (Arm("onnxruntime", "fp16", "cpu"),), Limits(latency_s=0.04), 1)
    now = searching.state(task, measured(task, (0, 0.03, False, {"precision": "fp16", "parity_max_rel": parity})))
    assert now.met(0) is meets and ("not found to agree" in answer.outcome(now, 0)) is not meets


def test_a_search_that_ends_says_why_and_what_would_make_it_go_on():
    now, way = drive._now(a_task(), drive.Places(Path("nowhere")))
    assert (
        drive._why(now, way, 20, False)
        == "ended after 20 networks (--measurements); with more, or with --budget 15m, the same command goes on"
    )
    assert "the time is spent" in drive._why(now, way, drive.ANY, True)


def test_a_device_on_which_half_of_the_networks_fail_still_gets_an_answer():
    task = a_task(count=40)
    failed = {"status": "failed", "reason": "out of memory", "latency_s": np.nan}
    now = searching.state(task, measured(task, *((i, 0.03 + i / 1000, False, failed if i % 2 else {}) for i in range(12))))
    said = answer.text(now)
    assert "6 measured, of 40 networks" in said and "6 can't run here" in said and "the best that meets the limit: " in said
    assert not set(now.reasons) & {now.choice.row, now.choice.best}


def test_where_nothing_meets_the_limit_the_answer_says_what_to_relax_as_predicted():
    task = a_task(limit_s=0.001)
    now = searching.state(task, measured(task, *((i, 0.03 + i / 100, False, {}) for i in range(8))))
    said = answer.text(now)
    assert "least latency measured: 30.0 ms" in said and "fastest expected: " in said and "relax --max-latency-ms" in said
    task = Task(task.candidates, task.arms, Limits(memory_mb=10, energy_j=0.1), 1)
    cells = [(i, 0.03 + i / 100, False, {"memory_mb": 50.0 + i}) for i in range(8)]
    said = answer.text(searching.state(task, measured(task, *cells)))
    assert "least memory measured: 50.0 MiB" in said and "energy was measured of no network here: leave --max-energy-j out" in said


def test_an_arm_that_never_works_is_given_up_and_the_end_says_why():
    task = Task(tuple(candidates.catalogued()[:30]), (Arm("tensorrt", "fp16", "cpu"),), Limits(latency_s=0.04), 1)
    asked = [(c.model, c.input_px, "tensorrt", "fp16") for c in task.candidates[: searching.ARM_FAILS]]
    now = searching.state(task, None, asked)
    assert now.choice.done and now.choice.best is None
    assert "nothing could be measured here" in answer.text(now)


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--max-latency-ms", "30", "--precision", "int8"], "known only once it is counted"), (["--max-latency-ms", "30", "--min-top1", "99"], "no known network is that accurate"), ([], "a search needs a limit"),
     (["--max-latency-ms", "30", "--budget", "soon"], "give a time as 90s"), (["--max-latency-ms", "30", "--candidates", "none.csv"], "can't be read"),
     (["--max-latency-ms", "30", "--backend", "foo"], "--backend: foo is unknown"), (["--max-latency-ms", "30", "--precision", "fp7"], "--precision: fp7 is unknown"),
     (["--max-latency-ms", "30", "--backend", "foo", "--next"], "--backend: foo is unknown"), (["--max-latency-ms", "30", "--next", "--platform", "jetson-jp66"], "--platform jetson-jp66: no image and no records have that name; choose from cpu, cuda, jetson-jp4"),
     (["--max-latency-ms", "30", "--device", "moon"], "--device moon: unknown; choose from cpu"),
     (["--max-latency-ms", "30", "--device", "gpu"], "this machine has no gpu"), (["--max-latency-ms", "30", "--backend", "pytorch", "--backend", "tensorrt"], "tensorrt has no cpu device"),
     (["--max-latency-ms", "30", "--backend", "noop"], "it runs no network"), (["--max-latency-ms", "30", "--platform", "jetson-jp6"], "this machine is cpu; `make search-jetson-jp6`"),
     (["--max-latency-ms", "30", "--budget", "0s"], "too short to measure one network"), (["--max-memory-mb", "0"], "greater than or equal to 0.001")],
)  # fmt: skip
def test_bad_input_is_one_plain_line_before_anything_is_chosen(options, said, tmp_path):
    result = CliRunner().invoke(app, ["search", *options, "--results", str(tmp_path)])
    assert result.exit_code == 2 and said in result.output and "Traceback" not in result.output
    assert "to learn how fast" not in result.output and not path.file_in(tmp_path).exists()


@pytest.mark.parametrize(
    ("row", "said"),
    [("resnet50,abc,224", "line 2: top1 'abc': give the accuracy in percent"), ("resnet50,180,", "line 2: top1 180 is not an accuracy in percent"),
     ("resnet50,80,2x", "line 2: input_px '2x': give a whole number of pixels"), ("resnt50,80,", "line 2: resnt50: no such network .*mean resnet50[?] Else give its ONNX file"),
     ("onnx:no.onnx,80,", "line 2: no.onnx: no such ONNX file")],
)  # fmt: skip
def test_a_candidate_that_is_none_is_named_by_its_line(row, said, tmp_path):
    (tmp_path / "mine.csv").write_text(f"model,top1,input_px\n{row}\n")
    with pytest.raises(FrameError, match=said):
        candidates.own(tmp_path / "mine.csv", drive.empty_or(None))


def test_the_most_accurate_of_several_weights_of_one_network_stands_for_all(tmp_path):
    (tmp_path / "mine.csv").write_text("model,top1,input_px\nresnet50,75,224\nresnet50,80.1,224\nresnet50,78,\n")
    (found,) = candidates.own(tmp_path / "mine.csv", drive.empty_or(None))
    assert (found.model, found.input_px, found.top1) == ("resnet50", 224, 80.1)
    with pytest.raises(FrameError, match="can't be read: Is a directory"):
        candidates.own(tmp_path, drive.empty_or(None))


def test_own_candidates_need_an_accuracy(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("model,top1\nresnet18,\n")
    with pytest.raises(FrameError, match="line 2: top1 ''"):
        candidates.own(path, pd.DataFrame())
    path.write_text("model\nresnet18\n")
    with pytest.raises(FrameError, match="needs the columns"):
        candidates.own(path, pd.DataFrame())
