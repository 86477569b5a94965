"""What of a submission is delivered, from its records alone."""

import json

from analysis.fleet import nodes, reconcile, tasks
from analysis.frame import frame as frames
from tests.analysis.records import cell_record, environment_record, write


def test_a_cell_whose_process_was_ended_from_outside_is_measured_again_and_the_good_one_stays(tmp_path):
    kind = nodes.Platform("synthetic-cpu", ("cpu",))
    (task,) = tasks.make(nodes.Fleet({kind.name: kind}, (nodes.Node("b1", kind.name),)), {kind.name: [tasks.PlannedCell(CELL, "latency", 9.0)]}, "s", 1, 1)[:1]  # fmt: skip
    submission = tasks.Submission("s", str(tmp_path), str(tmp_path), (kind,), (("b1", kind.name),), (task,))
    path = reconcile.task_folder(submission, task) / "records" / "synthetic-cpu-b1.jsonl"

    def deliver(run, **changes):
        line = cell_record("synthetic-cpu", "noop", "alexnet", run=run, task=json.loads(task.as_text()), cell_id=CELL, **changes)
        write(path, [json.loads(one) for one in path.read_text().splitlines()] * path.exists() + [environment_record("synthetic-cpu", run), line])  # fmt: skip
        return reconcile.states(submission)[0]

    path.parent.mkdir(parents=True)
    path.touch()
    assert not deliver("20260101T000000Z-0001", status="failed", signal="SIGTERM").complete
    assert deliver("20260101T000000Z-0002").complete
    assert frames.merge([path]).frame["status"].tolist() == ["ok"]


def test_a_cell_that_failed_by_itself_is_delivered(tmp_path):
    record = cell_record("synthetic-cpu", "noop", "alexnet", status="failed", signal="SIGKILL", cell_id=CELL)
    kind = nodes.Platform("synthetic-cpu", ("cpu",))
    task = tasks.Task(1, "s", kind.name, "b1", 1, 1, (CELL,), 9.0)
    submission = tasks.Submission("s", str(tmp_path), str(tmp_path), (kind,), (("b1", kind.name),), (task,))
    write(reconcile.task_folder(submission, task) / "records" / "synthetic-cpu-b1.jsonl", [record | {"task": json.loads(task.as_text())}])
    (state,) = reconcile.states(submission)
    assert state.complete and state.failed == 1


CELL = "synthetic-cpu.cpu.noop.alexnet"
