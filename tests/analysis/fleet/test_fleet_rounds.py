"""A fleet's tasks are one round of a block of cells each: the merge joins the rounds of a board, and never those of two boards."""

import json

import numpy as np
import pytest

from analysis.analyses import boards
from analysis.fleet import nodes, tasks
from analysis.frame import frame as frames
from analysis.merge import table
from analysis.report.report import by_machine
from tests.analysis.merge.test_merge import contents
from tests.analysis.records import cell_record, environment_record, write

MODELS = ("alexnet", "resnet18", "resnet50", "vgg11")
SPEED = {"b1": 1.0, "b2": 1.02, "b3": 0.98, "b4": 1.35}


def fleet(tmp_path, rounds=3, boards=4, **facts):
    """The records of a submission: each task one round of its cells by a run of its own, one replicate a cell."""
    kind = nodes.Platform("synthetic-cpu", ("cpu",))
    there = nodes.Fleet({kind.name: kind}, tuple(nodes.Node(name, kind.name) for name in list(SPEED)[:boards]))
    cells = [tasks.PlannedCell(model, "latency", 200.0 + place) for place, model in enumerate(MODELS)]
    made = tasks.make(there, {kind.name: cells}, "s", rounds, boards)
    rng = np.random.default_rng(2)
    for task in made:
        run = f"20260101T0000{task.number:02d}Z-{task.number:04x}"
        lines = [environment_record(task.platform, run, **{"host": task.board} | {n: v(task) for n, v in facts.items()})]
        for model in task.cells:
            load = SPEED[task.board] * float(np.exp(rng.normal(0, 0.01)))
            lines.append(cell_record(task.platform, "onnxruntime", model, run=run, replicates=1, samples=30, load=load, task=json.loads(task.as_text()), asked=1))  # fmt: skip
        write(tmp_path / "tasks" / str(task.number) / "records" / f"{task.platform}-{task.board}.jsonl", lines)
    return made


def test_the_rounds_of_a_board_are_replicates_of_one_row_per_cell(tmp_path):
    made = fleet(tmp_path)
    merged = table.merge([tmp_path / "tasks"], tmp_path / "cache")
    assert contents(merged) == contents(frames.merge([tmp_path / "tasks"]))
    rows = merged.frame
    assert len(rows) == len(SPEED) * len(MODELS) and not rows.duplicated(["host", "cell_id"]).any()
    asked = sum(len(task.cells) for task in made)
    assert rows["n_replicates"].sum() == asked and sum(map(len, rows["replicate_medians_s"])) == asked  # none is lost, none counts twice
    assert (rows["rounds"] >= 3).all()  # each saw a moment of its own
    for row in rows.itertuples():
        assert row.replicate_rounds == tuple(range(1, int(row.n_replicates) + 1))
        assert row.latency_s == pytest.approx(np.median(row.replicate_medians_s))
        assert {word.split("/")[2] for word in row.task.split()} == {row.host}
    assert sorted(frames.ranked(rows)["task"].str.split().explode()) == sorted(
        f"s/{t.platform}/{t.board}/{t.round}/{t.block}" for t in made for _ in t.cells
    )


def test_a_round_of_another_driver_is_no_replicate(tmp_path):
    fleet(tmp_path, boards=2, frameworks=lambda task: {"torch": "2.13.0" if task.round < 3 else "2.14.0"})
    rows = frames.merge([tmp_path / "tasks"]).frame
    assert len(rows) == 2 * 2 * len(MODELS)
    assert not rows.duplicated(["host", "cell_id", "env_frameworks_torch"]).any()
    for row in rows.itertuples():
        assert {int(word.split("/")[3]) == 3 for word in row.task.split()} == {row.env_frameworks_torch == "2.14.0"}


def test_a_contended_round_is_left_out_where_there_are_clean_ones(tmp_path):
    (first, second, third) = (dict(submission="s", platform="synthetic-cpu", board="b1", round=n, block=1) for n in (1, 2, 3))
    made = [(first, {}), (second, {"contended": True}), (third, {})]
    for number, (task, more) in enumerate(made):
        run = f"20260101T00000{number}Z-000{number}"
        line = cell_record("synthetic-cpu", "onnxruntime", "resnet18", run=run, replicates=1, task=task, **more)
        write(tmp_path / f"{number}.jsonl", [environment_record("synthetic-cpu", run, host="b1"), line])
    (row,) = frames.merge([tmp_path]).frame.itertuples()
    assert row.n_replicates == 2 and not row.contended and row.task.split() == ["s/synthetic-cpu/b1/1/1", "s/synthetic-cpu/b1/3/1"]


def test_a_round_that_failed_stays_a_row_with_its_reason(tmp_path):
    task = dict(submission="s", platform="synthetic-cpu", board="b1", block=1)
    for number, status in enumerate(("ok", "failed", "ok")):
        run = f"20260101T00000{number}Z-000{number}"
        line = cell_record("synthetic-cpu", "onnxruntime", "resnet18", run=run, replicates=1, status=status, task=task | {"round": number})
        write(tmp_path / f"{number}.jsonl", [environment_record("synthetic-cpu", run, host="b1"), line])
    rows = frames.merge([tmp_path]).frame
    assert sorted(rows["status"]) == ["failed", "ok"] and rows["reason"].dropna().tolist() == ["made to fail"]


def test_rounds_tell_boards_from_runs_and_name_the_board_that_is_off(tmp_path):
    fleet(tmp_path)
    frame = by_machine(frames.merge([tmp_path / "tasks"]).frame)
    assert boards.applies(frame) is None
    found = boards.analyse(frame)
    (kind,) = found["variance"].itertuples()
    assert kind.boards == 4 and kind.boards_sd_percent > 5 * kind.runs_sd_percent and 0.3 < kind.runs_sd_percent < 3
    assert found["boards"].set_index("board")["off"].to_dict() == {"b1": False, "b2": False, "b3": False, "b4": True}
    assert "b4 is off" in boards.explain(frame)


def test_two_rounds_ask_for_one_replicate_per_task_whatever_the_profile_says():
    text = tasks.one_round("protocol: {replicates: 5}\naxes: {model: [x]}\nprofiles: {zoo: {protocol: {replicates: 3}}, quick: {}}\n")
    assert text.count("replicates: 1") == 3 and "replicates: 5" not in text
    assert tasks.one_round("axes: [") == "axes: ["
