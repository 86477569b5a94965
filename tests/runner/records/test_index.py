"""The index beside a record file: a cache that changes nothing but the time."""

import json
import os
import subprocess
import sys

import pytest
from support import ROOT, environment, matrix

from runner.measure import history
from runner.records import file as record_file
from runner.records import index

with open(os.path.join(ROOT, "tests", "data", "records-v2.jsonl")) as known:
    LINES = [json.loads(line) for line in known]
CELL = next(line for line in LINES if line["kind"] == "cell" and line["status"] == "ok" and line["role"] == "cell")


def cell_line(number, attempt=1, **changes):
    return dict(
        CELL, cell=dict(CELL["cell"], model="onnx:%d.onnx" % number), id="run/%d/%d" % (number, attempt), attempt=attempt, **changes
    )


def replicate_line(number, order, attempt=2):
    return dict(
        cell_line(number, attempt), kind="replicate", id="run/%d/%d/r%d" % (number, attempt, order), replicates=CELL["replicates"][:1]
    )


def append(path, *lines):
    with open(str(path), "ab") as file:
        for line in lines:
            file.write(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")


def state(path):
    """All that a History tells, for comparison."""
    found = history.read(str(path))
    last = {cell: (found.last[cell], found.last.whole(cell).id, found.last.attempts(cell)) for cell in found.last}
    pending = {cell: [line.id for line in found.pending(cell)] for cell in last}
    return last, pending, found.warnings, [found.environment(line["id"]) for line in LINES if line["kind"] == "environment"]


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(index, "SMALLEST", 1)
    found = tmp_path / "cpu-here.jsonl"
    append(found, *LINES)
    append(found, *[cell_line(number) for number in range(20)])
    append(
        found, replicate_line(3, 1), replicate_line(3, 2), replicate_line(3, 2), replicate_line(4, 1, attempt=1), b"torn {\n", b"\n", [1]
    )
    append(found, dict(cell_line(9), wall_s=-1))
    return found


def unindexed(path):
    """What is told without an index."""
    if os.path.exists(index.place(str(path))):
        os.remove(index.place(str(path)))
    return state(path)


def test_with_the_index_a_file_tells_what_it_tells_without(path):
    first = unindexed(path)
    assert os.path.exists(index.place(str(path))) and state(path) == first
    last, pending, warnings, _ = first
    cells = {cell.model: cell for cell in last}
    assert pending[cells["onnx:3.onnx"]] == ["run/3/2/r1", "run/3/2/r2"] and pending[cells["onnx:4.onnx"]] == []
    assert [warning.split(": ")[1].split(" line")[0] for warning in warnings] == ["1", "1", "1"]


@pytest.mark.parametrize("change", ["append", "edit", "cut", "replace", "no end", "clock"])
def test_an_index_that_no_longer_fits_is_made_anew(path, change):
    state(path)
    content = path.read_bytes()
    if change == "append":
        append(path, cell_line(3, attempt=2, status="failed"), replicate_line(5, 1), cell_line(99))
    elif change == "edit":
        path.write_bytes(content.replace(b'"run/7/1"', b'"run/7/x"'))
    elif change == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif change == "replace":
        path.write_bytes(json.dumps(cell_line(1)).encode() + b"\n" + content)
    elif change == "no end":
        append(path, json.dumps(cell_line(98)).encode())
    else:
        os.utime(str(path), (1, 1))
    with_index = state(path)
    assert state(path) == with_index == unindexed(path)


@pytest.mark.parametrize("damage", [lambda data: data[:-40], lambda data: data.replace(b"ok", b"ko", 1), lambda data: b"", lambda data: b"[]\n",
                                    lambda data: b'{"format": 1}\n', lambda data: os.urandom(500)])  # fmt: skip
def test_a_damaged_index_is_passed_over(path, damage):
    before = state(path)
    with open(index.place(str(path)), "rb") as file:
        data = file.read()
    with open(index.place(str(path)), "wb") as file:
        file.write(damage(data))
    assert state(path) == before


def test_where_no_index_can_be_written_all_goes_on_without(path):
    os.makedirs(index.place(str(path)))  # whoever is root may write anywhere else
    assert len(state(path)[0]) > 20 and sorted(os.listdir(str(path.parent))) == ["cpu-here.index", "cpu-here.jsonl"]


def test_only_what_was_appended_is_read_again(path, monkeypatch):
    state(path)
    read = []
    parsed = record_file.parsed
    monkeypatch.setattr(record_file, "parsed", lambda raw, offset=0: read.append(offset) or parsed(raw, offset))
    index.read(str(path))
    assert read == []
    size = path.stat().st_size
    append(path, cell_line(50))
    index.read(str(path))
    assert read == [size]


def test_a_small_record_file_gets_no_index(tmp_path):
    append(tmp_path / "cpu-here.jsonl", *LINES)
    history.read(str(tmp_path / "cpu-here.jsonl"))
    assert [one.name for one in tmp_path.iterdir()] == ["cpu-here.jsonl"]


def test_a_newer_dynos_lines_are_refused_from_the_index_too(path):
    append(path, {"schema_version": 99, "kind": "cell"})
    for _ in range(2):
        with pytest.raises(record_file.RecordError, match="schema 99"):
            history.read(str(path), refuse_newer=True)


def _cost(command, *arguments):
    """(exit code, CPU seconds, MiB at the peak) of a command in a process of its own."""
    code = "import resource, subprocess, sys\nprint(subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL))\nused = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
    code += "print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024.0)"
    words = [sys.executable, "-c", code, sys.executable, "-m", "runner", command] + list(arguments)
    out = subprocess.check_output(words, env=environment(DYNO_PLATFORM="cpu"), cwd=ROOT).decode().split()
    return int(out[0]), float(out[1]), float(out[2])


@pytest.mark.parametrize("records", [2000, pytest.param(100000, marks=pytest.mark.long)])
def test_status_and_plan_of_many_records_take_little_time_and_memory(tmp_path, records):
    os.makedirs(str(tmp_path / "records"))
    line = dict(CELL, replicates=[dict(CELL["replicates"][0], samples_s=[0.001] * 120)])
    with open(str(tmp_path / "records" / "cpu-here.jsonl"), "w") as file:
        for number in range(records):
            line.update(cell=dict(CELL["cell"], model="onnx:%d.onnx" % number), id=str(number))
            file.write(json.dumps(line) + "\n")
    path = matrix(tmp_path, "backend: noop, model: [resnet18, alexnet]")
    assert _cost("status", "-m", path, "-r", str(tmp_path))[0] == 0  # makes the index
    for command in ("status", "plan"):
        code, cpu_s, mib = _cost(command, "-m", path, "-r", str(tmp_path))
        assert code == 0 and cpu_s < 2 and mib < 200
