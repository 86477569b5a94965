"""Results on a volume that is full, read-only or gone, and several runs in one folder: nothing that was written is lost."""

import glob
import json
import os
import resource
import shutil
import subprocess
import time

import pytest
from support import dyno, matrix, need_torch, record_file, records, start

from runner.errors import RecordError
from runner.records import file as record

pytestmark = pytest.mark.any_python
CELLS = "backend: 'fault:brief', model: resnet18, input_px: 32, batch_size: [1, 2, 3, 4, 5, 6]"
LONG = "seed: 0, min_samples: 1000"  # a record of some 15 kB


def mount(*arguments):
    return subprocess.run(("mount",) + arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def unmount(path):
    subprocess.run(("umount", "-l", str(path)), stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture
def volume(tmp_path):
    """A mounted file system of its own, with 64 KiB; skips where mounting isn't permitted."""
    folder = tmp_path / "volume"
    folder.mkdir()
    done = mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder))
    if done.returncode:
        pytest.skip("mounting isn't permitted here: %s" % done.stderr.decode().strip())
    try:
        yield folder
    finally:
        unmount(folder)


def only_whole_lines(path):
    with open(path, "rb") as file:
        content = file.read()
    assert content.endswith(b"\n")
    return [json.loads(line.decode()) for line in content.splitlines()]


def one_line(err):
    return err.startswith("dyno: ") and err.count("\n") == 1


def wait_for_records(folder, count=1):
    deadline = time.monotonic() + 30
    while not (glob.glob(str(folder / "records" / "*.jsonl")) and len(records(folder)) >= count):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_disk_that_fills_up_in_the_middle_of_a_record_costs_that_record_only(tmp_path, volume):
    path = matrix(tmp_path, CELLS, LONG)
    code, _, err = dyno("run", "-m", path, "-r", str(volume), "--cache", str(tmp_path / "cache"))
    assert code == 1 and one_line(err) and "No space left on device; free some space and run again" in err
    before = only_whole_lines(record_file(volume))
    assert 1 <= len(records(volume)) < 6
    code, _, again = dyno("run", "-m", path, "-r", str(volume), "--cache", str(tmp_path / "cache"))
    assert code == 1 and one_line(again) and len(only_whole_lines(record_file(volume))) >= len(before)
    assert mount("-o", "remount,size=4m", str(volume)).returncode == 0
    code, out, err = dyno("run", "-m", path, "-r", str(volume), "--cache", str(tmp_path / "cache"))
    assert (code, err) == (0, "")
    assert only_whole_lines(record_file(volume))[: len(before)] == before
    assert len(records(volume)) == len({line["cell_id"] for line in records(volume)}) == 6


def test_a_limit_on_the_size_of_files_ends_a_run_like_a_full_disk(tmp_path):
    path = matrix(tmp_path, CELLS, LONG)
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (40000, 40000))
    code, _, err = dyno("run", "-m", path, "-r", str(tmp_path), preexec_fn=limit)
    assert code == 1 and one_line(err) and "File too large; free some space and run again" in err
    done = len(records(tmp_path))
    assert 1 <= done < 6 and only_whole_lines(record_file(tmp_path))
    code, out, err = dyno("run", "-m", path, "-r", str(tmp_path))
    assert (code, err) == (0, "") and "%d ok" % (6 - done) in out


def test_a_full_disk_while_files_are_prepared_is_a_row_and_leaves_room_again(tmp_path, volume):
    """The cache is full, the records are elsewhere: the network fails, and what was half written is gone."""
    need_torch()
    path = matrix(tmp_path, "backend: [onnxruntime, noop], model: squeezenet1_1, input_px: 32")
    code, _, err = dyno("run", "-m", path, "-r", str(tmp_path), "--cache", str(volume))
    assert code == 0, err
    failed, fine = sorted(records(tmp_path), key=lambda line: line["status"])
    assert (failed["status"], failed["phase"], fine["status"]) == ("failed", "prepare", "ok")
    assert "\n" not in failed["reason"] and not glob.glob(str(volume / "networks" / "*" / "*.part"))


def test_a_results_folder_on_a_read_only_mount_is_one_line(tmp_path, volume):
    assert mount("-o", "remount,ro", str(volume)).returncode == 0
    for command in ("run", "noise"):
        code, _, err = dyno(command, "-m", matrix(tmp_path, CELLS, more="profiles: {quick: {}}\n"), "-r", str(volume))
        assert code == 1 and one_line(err) and "Read-only file system" in err
    assert dyno("status", "-m", matrix(tmp_path, CELLS), "-r", str(volume))[0] == 0


def test_a_volume_that_becomes_read_only_between_runs_keeps_what_it_has(tmp_path, volume):
    path = matrix(tmp_path, CELLS)
    assert dyno("run", "-m", path, "-r", str(volume), "--only", "batch_size=1")[0] == 0
    assert mount("-o", "remount,ro", str(volume)).returncode == 0
    code, _, err = dyno("run", "-m", path, "-r", str(volume))
    assert code == 1 and one_line(err) and "Read-only file system" in err and len(records(volume)) == 1


SLOW = "backend: 'fault:slow', model: [resnet18, alexnet, vgg11], input_px: 32"


def check_it_stops(process):
    _, err = process.communicate(timeout=60)
    err = err.decode()
    assert process.returncode == 1 and one_line(err) and "the file is no longer there" in err and "run again" in err, err


def test_a_volume_that_is_unmounted_in_mid_run_stops_it_and_loses_nothing(tmp_path, volume):
    aside = tmp_path / "aside"
    aside.mkdir()
    assert mount("--bind", str(volume), str(aside)).returncode == 0
    try:
        path = matrix(tmp_path, SLOW, "seed: 0, min_samples: 20")
        process = start("run", "-m", path, "-r", str(volume), "--cache", str(tmp_path / "cache"))
        wait_for_records(volume)
        unmount(volume)
        check_it_stops(process)
        assert not os.listdir(str(volume))
        kept = len(only_whole_lines(record_file(aside))) - 1  # the environment comes first
        assert 1 <= kept < 3 and mount("--bind", str(aside), str(volume)).returncode == 0
        code, out, err = dyno("run", "-m", path, "-r", str(volume), "--cache", str(tmp_path / "cache"))
        assert (code, err) == (0, "") and "%d ok" % (3 - kept) in out and len(records(aside)) == 3
    finally:
        unmount(aside)


@pytest.mark.parametrize("what", ["moved", "removed"])
def test_a_results_folder_that_goes_in_mid_run_stops_it(tmp_path, what):
    folder, aside = tmp_path / "results", tmp_path / "aside"
    path = matrix(tmp_path, SLOW, "seed: 0, min_samples: 20")
    process = start("run", "-m", path, "-r", str(folder))
    wait_for_records(folder)
    os.rename(str(folder), str(aside))
    if what == "removed":
        shutil.rmtree(str(aside))
    check_it_stops(process)
    assert what == "removed" or 1 <= len(records(aside)) < 3


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_volume_with_errors_takes_back_what_it_wrote_and_says_so(tmp_path, monkeypatch, call):
    path = str(tmp_path / "a.jsonl")
    with record.RecordFile(path) as file:
        file.append({"schema_version": 1, "id": "1"})

        def broken(*_):
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, call, broken)
        with pytest.raises(RecordError) as caught:
            file.append({"schema_version": 1, "id": "2"})
        monkeypatch.undo()
    assert "Input/output error; see that its volume is there and writable and run again" in str(caught.value)
    assert [line["id"] for line in only_whole_lines(path)] == ["1"]


def test_a_torn_line_that_cannot_be_set_aside_is_one_line_and_frees_the_lock(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"schema_version": 1}\n{"sch')
    (tmp_path / "a.jsonl.torn").mkdir()
    with pytest.raises(RecordError) as caught:
        record.RecordFile(str(path)).__enter__()
    assert "can't write records: Is a directory" in str(caught.value)
    (tmp_path / "a.jsonl.torn").rmdir()
    with record.RecordFile(str(path)) as file:
        assert "torn" in file.warnings[0]


def test_two_images_at_once_in_one_folder_keep_all_records_and_share_the_cache(tmp_path):
    need_torch()
    path = matrix(tmp_path, "backend: [onnxruntime, pytorch], model: squeezenet1_1, input_px: 32")
    both = [start("run", "-m", path, "-r", str(tmp_path), env={"DYNO_HOST": host}) for host in ("one", "two")]
    for process in both:
        out, err = process.communicate(timeout=200)
        assert process.returncode == 0 and b"2 ok" in out, out.decode()
    for host in ("one", "two"):
        lines = only_whole_lines(str(tmp_path / "records" / ("cpu-%s.jsonl" % host)))
        assert [line["status"] for line in lines if line["kind"] == "cell"] == ["ok", "ok"]
        assert all(line["parity"]["max_rel"] < 1e-3 for line in lines if line["kind"] == "cell")
    assert not glob.glob(str(tmp_path / "cache" / "networks" / "*" / "*.part"))
