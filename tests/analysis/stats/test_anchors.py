"""How much a machine moved, by the anchors of its runs."""

import pytest

from analysis import analyses
from tests.analysis.records import cell_record, frame_of


def anchors_of(*latencies_s, run="1"):
    """A run's anchors, a name each, in the order of their times."""
    lines = []
    for number, seconds in enumerate(latencies_s):
        line = cell_record("synthetic-cpu", "pytorch", "resnet18", run=run, role="anchor", anchor="abc"[number], id=f"{run}/anchor{number}")
        line["started_at"] = f"2026-01-01T00:0{number}:00Z"
        for replicate in line["replicates"]:
            replicate["samples_s"] = [seconds] * len(replicate["samples_s"])
        lines.append(line)
    return lines


def test_anchors_show_how_much_the_machine_moved_in_each_run():
    frame = frame_of(
        cell_record("synthetic-cpu", "pytorch", "vgg11"), *anchors_of(0.010, 0.012, 0.0101, run="1"), *anchors_of(0.01, 0.0101, run="2")
    )
    table = analyses.load("anchors").analyse(frame)
    assert table["run"].tolist() == ["1", "2"] and table["anchors"].tolist() == [3, 2]
    assert table["widest, %"].tolist() == pytest.approx([20, 1]) and table["first to last, %"].tolist() == pytest.approx([1, 1])
    said = analyses.load("anchors").explain(frame)
    assert said.startswith("The anchor moved by more than 5 % in 1 of 2 runs; it moved most in run 1 on") and "20.0 % between" in said


def test_one_anchor_says_nothing_of_drift():
    frame = frame_of(cell_record("synthetic-cpu", "pytorch", "vgg11"), *anchors_of(0.010))
    assert "at least 8 cells" in analyses.load("anchors").applies(frame)
