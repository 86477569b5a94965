"""Record files: whole lines or none, whatever happens; and a schema that is what is written."""

import json
import os
import random
import subprocess
import sys

import pytest
from support import ROOT, dyno, environment, matrix, record_file, records

from runner.errors import RecordError
from runner.measure import history
from runner.records import check, schema
from runner.records import file as record


def lines(path):
    with open(path, "rb") as file:
        return file.read().split(b"\n")


def test_a_record_is_one_whole_line(tmp_path):
    path = str(tmp_path / "records" / "a.jsonl")
    with record.RecordFile(path) as file:
        file.append({"schema_version": schema.SCHEMA_VERSION, "text": "two\nlines", "nan": float("nan")})
    first, rest = lines(path)
    assert json.loads(first.decode()) == {"schema_version": schema.SCHEMA_VERSION, "text": "two\nlines", "nan": None}
    assert rest == b""


def test_every_line_of_a_fleets_run_carries_its_task(tmp_path, monkeypatch):
    path = str(tmp_path / "a.jsonl")
    task = {"submission": "s1", "platform": "cpu", "board": "n1", "round": 2, "block": 3}
    monkeypatch.setenv("DYNO_TASK", json.dumps(task))
    with record.RecordFile(path) as file:
        file.append({"schema_version": schema.SCHEMA_VERSION, "kind": "environment"})
        file.append({"schema_version": schema.SCHEMA_VERSION, "kind": "cell"})
    assert [line["task"] for line in record.read(path)[0]] == [task, task]


def test_a_task_that_is_none_stops_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("DYNO_TASK", "[1")
    with pytest.raises(record.RecordError, match="DYNO_TASK.*is not a task"), record.RecordFile(str(tmp_path / "a.jsonl")):
        pass
    assert not list(tmp_path.iterdir())


def test_a_torn_last_line_is_set_aside_with_a_warning(tmp_path):
    path = str(tmp_path / "a.jsonl")
    good = json.dumps({"schema_version": schema.SCHEMA_VERSION, "id": "1"}) + "\n"
    with open(path, "w") as file:
        file.write(good + '{"schema_version": 1, "id": "2", "sam')
    with record.RecordFile(path) as file:
        assert "torn" in file.warnings[0]
        file.append({"schema_version": schema.SCHEMA_VERSION, "id": "3"})
    found, warnings = record.read(path)
    assert [line["id"] for line in found] == ["1", "3"] and not warnings
    assert b'"id": "2"' in lines(path + ".torn")[0]


def test_reading_counts_what_is_no_record_and_goes_on(tmp_path):
    path = str(tmp_path / "a.jsonl")
    with open(path, "wb") as file:
        file.write(b'{"schema_version": 1, "id": "1"}\nnot json\n\xff\xfe\n[1]\n{"schema_version": 99}\n{"schema_version": 1, "id": "2"}\n')
    found, warnings = record.read(path)
    assert [line["id"] for line in found] == ["1", "2"]
    assert "2 lines are torn or not JSON" in warnings[0] and "2 lines are of another schema_version" in warnings[1]


def test_a_full_disk_leaves_only_whole_lines_and_says_so(tmp_path):
    """The limit on a file's size stands for the disk: the write stops in the middle of a record."""
    path = str(tmp_path / "a.jsonl")
    code = (
        "import resource, signal, sys; from runner.errors import RecordError\nfrom runner.records import file as record\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "with record.RecordFile(sys.argv[1]) as file:\n"
        "    file.append({'schema_version': 1, 'text': 'x' * 600})\n"
        "    try:\n        file.append({'schema_version': 1, 'text': 'y' * 600})\n"
        "    except RecordError as error:\n        print(error)\n"
    )
    said = subprocess.check_output([sys.executable, "-c", code, path], env=environment()).decode()
    assert "can't append a record" in said and "free some space" in said
    assert len(lines(path)) == 2 and lines(path)[1] == b"" and b"y" not in lines(path)[0]


def test_a_second_run_in_the_same_file_is_told_to_wait(tmp_path):
    path = str(tmp_path / "a.jsonl")
    with record.RecordFile(path), pytest.raises(RecordError) as caught:
        record.RecordFile(path).__enter__()
    assert "another run is writing here" in str(caught.value)
    with record.RecordFile(path) as again:
        assert again.warnings == []


def test_the_documented_schema_is_the_one_in_the_code():
    with open(os.path.join(ROOT, "docs", "records.md"), encoding="utf-8") as file:
        assert schema.document() in file.read()


def paths(value, prefix=""):
    """Paths of a record in the notation of FIELDS."""
    documented = {path for path, _, _, _ in schema.FIELDS}
    if prefix + "{}" in documented or prefix + "[]{}" in documented:
        return {prefix + "{}"} if prefix + "{}" in documented else {prefix + "[]{}"}
    if isinstance(value, dict):
        return set().union(set(), *[paths(item, prefix + "." + key if prefix else key) for key, item in value.items()])
    if isinstance(value, list) and (value and isinstance(value[0], dict) or prefix + "[]" in documented):
        return set().union({prefix + "[]"} & documented, *[paths(item, prefix + "[]") for item in value if isinstance(item, (dict, list))])
    return {prefix}


def test_every_field_of_a_real_record_is_documented_and_every_documented_field_is_there(tmp_path):
    code, _, err = dyno("run", "-m", matrix(tmp_path, "backend: noop, model: resnet18, input_px: 32"), "-r", str(tmp_path))
    assert code == 0, err
    (line,) = records(tmp_path)
    documented = {path for path, _, _, _ in schema.FIELDS}
    assert paths(line) - documented - {"parity", "complexity"} == set()
    # a backend that computes nothing has no outputs to compare and no graph to count
    absent = {path for path in documented if path.partition(".")[0] in ("parity", "complexity", "accuracy", "profile", "task")} | {
        "discarded[]{}",
        "replicates[].sustained{}",
    }
    absent |= {path for path in documented if path.startswith("replicates[].gpu_memory.")}
    assert documented - paths(line) - absent == set()
    assert line["parity"] is None and line["complexity"] is None


def test_a_record_file_of_each_schema_version_is_kept_and_read():
    for version in range(1, schema.SCHEMA_VERSION + 1):
        path = os.path.join(ROOT, "tests", "data", "records-v%d.jsonl" % version)
        with open(path) as file:
            assert all(json.loads(line)["schema_version"] == version for line in file)
    found, warnings = record.read(path)
    assert found and not warnings


def test_a_record_file_is_named_after_host_and_platform(tmp_path):
    dyno("run", "-m", matrix(tmp_path, "backend: noop, model: resnet18, input_px: 32"), "-r", str(tmp_path), env={"DYNO_HOST": "a/b c"})
    assert os.path.basename(record_file(tmp_path)) == "cpu-a-b-c.jsonl"


def mutations(line, rng):
    """A record with one value, at any depth, replaced by something else or taken away."""
    strange = [None, True, -1, 1e300, "", "x", [], {}, [[]], {"a": 1}, "\u0000", 10**400, [None], {"cell": {}}]
    copy = json.loads(json.dumps(line))
    place = copy
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = rng.choice(keys)
        if isinstance(place[key], (dict, list)) and place[key] and rng.random() < 0.6:
            place = place[key]
            continue
        if rng.random() < 0.3 and isinstance(place, dict):
            del place[key]
        else:
            place[key] = rng.choice(strange)
        return copy


def test_a_thousand_malformed_lines_never_stop_a_run_nor_lose_a_good_record(tmp_path):
    rng = random.Random(0)
    path = matrix(tmp_path, "backend: noop, model: [resnet18, alexnet], input_px: 32")
    dyno("run", "-m", path, "-r", str(tmp_path), "--only", "model=resnet18")
    (good,) = records(tmp_path)
    for name in ("samples_s", "warmup_samples_s"):
        del good["replicates"][0][name][12:]
    with open(record_file(tmp_path), "ab") as file:
        for _ in range(700):
            file.write(json.dumps(mutations(good, rng)).encode() + b"\n")
        for _ in range(300):
            line = json.dumps(good).encode()
            at = rng.randrange(len(line))
            file.write(
                line[:at]
                + bytes(bytearray(rng.randrange(256) for _ in range(3))).replace(b"\n", b"")
                + line[at + rng.randrange(9) :]
                + b"\n"
            )
        file.write(b"[" * 100000 + b"\n" + json.dumps(good).encode() + b"\n")
    found = history.read(record_file(tmp_path))
    last, warnings = found.last, found.warnings
    assert warnings and [cell.model for cell in last if cell.model in ("resnet18", "alexnet") and cell.input_px == 32][:1] == ["resnet18"]
    for command in ("status", "plan", "run"):
        code, out, err = dyno(command, "-m", path, "-r", str(tmp_path))
        assert code == 0 and "Traceback" not in err, err
    with open(record_file(tmp_path), "rb") as file:
        assert b'"model":"alexnet"' in file.read().splitlines()[-1]


def test_a_whole_last_line_without_its_end_is_a_record(tmp_path):
    path = str(tmp_path / "records.jsonl")
    whole = json.dumps({"schema_version": schema.SCHEMA_VERSION, "kind": "cell", "id": "1"})
    (tmp_path / "records.jsonl").write_text(whole)
    with record.RecordFile(path) as file:
        assert file.warnings == []
        file.append({"schema_version": schema.SCHEMA_VERSION, "kind": "cell", "id": "2"})
    assert [record["id"] for record in record.read(path)[0]] == ["1", "2"] and not os.path.exists(path + ".torn")


def test_a_mark_that_an_editor_put_before_the_first_line_loses_no_record(tmp_path):
    (tmp_path / "records.jsonl").write_text(
        "\ufeff" + json.dumps({"schema_version": schema.SCHEMA_VERSION, "kind": "cell", "id": "1"}), "utf-8"
    )
    assert [record["id"] for record in record.read(str(tmp_path / "records.jsonl"))[0]] == ["1"]


@pytest.mark.parametrize("wrong", ["Infinity", "NaN", "1e999", "[]", '"8"', "null"])
def test_an_old_cell_whose_batch_size_is_no_number_is_set_aside_alone(tmp_path, wrong):
    with open(os.path.join(ROOT, "tests", "data", "records-v1.jsonl")) as file:
        old = [json.loads(line) for line in file]
    good = [line for line in old if line["kind"] == "cell"]
    broken = dict(good[0], id="broken", cell=dict(good[0]["cell"], batch_size="?", model="broken"))
    (tmp_path / "a.jsonl").write_text(json.dumps(broken).replace('"?"', wrong) + "\n" + "\n".join(map(json.dumps, good)) + "\n")
    found = history.read(str(tmp_path / "a.jsonl")).last
    assert {line["cell"]["model"] for line in good} == {cell.model for cell in found}


def test_what_is_no_plain_file_is_refused_in_a_line_and_never_waited_for(tmp_path):
    os.mkfifo(str(tmp_path / "pipe.jsonl"))
    os.symlink("nowhere/at/all", str(tmp_path / "dangling.jsonl"))
    (tmp_path / "folder.jsonl").mkdir()
    for name in ("pipe", "dangling", "folder"):
        path = str(tmp_path / (name + ".jsonl"))
        with pytest.raises(RecordError) as error, record.RecordFile(path):
            pass
        assert name in str(error.value) and "\n" not in str(error.value)
        records, warnings = record.read(path)
        assert records == [] and len(warnings) == 1 and "not a regular file" in warnings[0]


ACCURACY = {"first": 0, "last": 100, "images": 99, "unreadable": 1, "not_finite": 0, "top1": 70, "top5": 90}


@pytest.mark.parametrize(("changes", "wrong"), [
    ({}, None), ({"images": -5}, "images"), ({"top1": 120}, "top1"), ({"top5": 60}, "top5"), ({"top1": "many"}, "accuracy"), ({"last": 10}, "last"),
])  # fmt: skip
def test_an_accuracy_line_that_contradicts_itself_is_no_record(changes, wrong):
    cell = dict(zip(schema.CELL_FIELDS, ("p", "cpu", "pytorch", "resnet18", "fp32", 1, 224, "latency")))
    line = {"kind": "accuracy", "id": "1", "status": "ok", "cell": cell, "accuracy": dict(ACCURACY, **changes)}
    found = check.misfit_accuracy(line)
    assert (found is None) == (wrong is None) and (wrong in (None, "accuracy") or found == wrong)


@pytest.mark.parametrize(
    "changes",
    [
        {"latency_s": -1},
        {"latency_s": "1"},
        {"model": 5},
        {"top1": 697.6},
        {"input_px": []},
        {"batch_size": None},
        {"quality": "x"},
        {"input_px": 22.4},
        {"batch_size": 1.5},
    ],  # fmt: skip
)
def test_an_imported_line_is_checked_like_a_cell(changes):
    row = {"platform": "p", "model": "m", "cell_id": "c", "latency_s": 0.1, "batch_size": 1, "quality": ["imported"]}
    assert check.misfit_imported({"id": "1", "row": row}) is None
    assert check.misfit_imported({"id": "1", "row": dict(row, **changes)}) == next(iter(changes))
