"""Replicates that killed runs left without a record of their cell."""

from analysis.frame import unfinished
from analysis.frame.frame import merge
from runner.records import line as lines
from runner.records.replicate import replicate_from
from tests.analysis.records import cell_record, environment_record, write


def left_by(run, *orders, attempt=1, anchor=None):
    """The replicate lines that a killed run left of one cell."""
    cell = cell_record("synthetic-cpu", "pytorch", "resnet18", run=run, attempt=attempt, asked=5)
    cell |= {"role": "anchor" if anchor else "cell", "anchor": anchor}
    line = lines.line_from(cell)
    return [lines.replicate(line, replicate_from(dict(cell["replicates"][0], order=order)), None).as_dict() for order in orders]


def test_replicates_of_two_killed_runs_are_one_cell(tmp_path):
    a, b = "20260101T000000Z-0001", "20260102T000000Z-0002"
    environments = [environment_record("synthetic-cpu", run) for run in (a, b)]
    path = write(tmp_path / "x.jsonl", [environments[0], *left_by(a, 1, 4), environments[1], *left_by(b, 2)])
    merged = merge([path])
    assert merged.frame["so_far"].tolist() == ["3 of 5"] and merged.frame["n_replicates"].tolist() == [3]
    assert merged.frame["rounds"].tolist() == [2] and not merged.problems


def test_replicates_of_another_machine_stay_out_and_are_counted(tmp_path):
    a, b = "20260101T000000Z-0001", "20260102T000000Z-0002"
    environments = [environment_record("synthetic-cpu", a), environment_record("synthetic-cpu", b, power_mode="MAXN")]
    path = write(tmp_path / "x.jsonl", [environments[0], *left_by(a, 1, 4), environments[1], *left_by(b, 2)])
    merged = merge([path])
    assert merged.frame["so_far"].tolist() == ["1 of 5"]
    assert dict(merged.problems) == {("x.jsonl", unfinished.UNLIKE): 2}


def test_an_anchors_record_does_not_finish_its_cell(tmp_path):
    run = "20260101T000000Z-0001"
    anchor = cell_record("synthetic-cpu", "pytorch", "resnet18", run=run, replicates=1)
    anchor |= {"role": "anchor", "anchor": "start", "id": "an anchor"}
    path = write(tmp_path / "x.jsonl", [environment_record("synthetic-cpu", run), anchor, *left_by(run, 1, 4)])
    frame = merge([path]).frame
    assert sorted(frame["role"]) == ["anchor", "cell"]
    assert frame.loc[frame["role"] == "cell", "so_far"].tolist() == ["2 of 5"]


def test_a_record_of_the_cell_ends_what_is_pending(tmp_path):
    run = "20260101T000000Z-0001"
    done = cell_record("synthetic-cpu", "pytorch", "resnet18", run=run)
    frame = merge([write(tmp_path / "x.jsonl", [environment_record("synthetic-cpu", run), *left_by(run, 1), done, *left_by(run, 7)])]).frame
    assert len(frame) == 1 and frame["so_far"].isna().all()
