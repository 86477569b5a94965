"""The self-test: rows from real records, and verdicts that tell a wrong result from a missing device."""

import json

import pytest

from runner.measure import selftest


def line(**changes):
    """A record of a cell, as far as the verdict reads it."""
    cell = dict(backend="openvino", model=selftest.NETWORK, precision="fp16", batch_size=1, scenario="latency", device="cpu")
    cell.update(changes.pop("cell", {}))
    made = {"cell": cell, "status": "ok", "reason": None, "parity": {"max_rel": 1e-3}}
    made["replicates"] = [{"samples_s": [0.001, 0.002, 0.003], "executed": {"precision": "fp16"}}]
    return dict(made, **changes)


@pytest.mark.parametrize(
    "changes,verdict,words",
    [
        ({}, "ok", "2 ms"),
        ({"status": "skipped", "reason": "no device"}, "skipped", "no device"),
        ({"status": "failed", "reason": "timeout", "replicates": []}, "wrong", "timeout"),
        ({"replicates": [{"samples_s": [0.1], "executed": {"precision": "fp32"}}]}, "wrong", "fp32 was executed"),
        ({"parity": {"max_rel": 0.5}}, "wrong", "found 0.5"),
        ({"parity": {"max_rel": None}}, "wrong", "found None"),
        ({"parity": None}, "ok", "not compared"),
    ],
)
def test_a_row_is_ok_only_if_the_right_thing_ran_and_its_outputs_are_right(changes, verdict, words):
    row = selftest._judged(line(**changes))
    assert row.verdict == verdict and words in row.detail


def test_it_proves_a_backend_by_running_it_and_names_what_is_not_here(tmp_path):
    rows = []
    result = selftest.run(str(tmp_path), report=rows.append, names=["noop", "tensorrt"])
    verdicts = {row.what: row.verdict for row in rows}
    assert verdicts["noop fp32 latency on cpu, batch 1"] == "ok"
    assert verdicts["tensorrt, backends"] == "skipped"
    assert any(what.startswith("sensor ") for what in verdicts)
    assert result["rows"] == [row._asdict() for row in rows]
    assert "host" not in result["facts"] and len(json.dumps(result)) < 50000


def test_what_the_budget_leaves_out_is_not_reached_and_never_passed(tmp_path):
    result = selftest.run(str(tmp_path), budget_s=1e-9, names=["noop"])
    assert [row["verdict"] for row in result["rows"]] == ["not reached"]
