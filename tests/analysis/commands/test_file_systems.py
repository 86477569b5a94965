"""Every command on a real disk that is full or read-only, and stopped by a signal: the old output is as it was, the new one is whole or absent.

test_no_space.py does the same with a limit on the size of files, where nothing can be mounted.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
import records
from PIL import Image

from runner.program import table

ROOT = Path(__file__).parents[3]
PROTOCOL = "protocol: {replicates: 1, max_time_s: 0.1, min_time_s: 0.01, warmup_max_s: 0.1, quiet_wait_s: 0, contention_retries: 0, anchor_from: 0}\nprofiles: {quick: {}}\n"
NOOP = "axes: {backend: noop, model: [resnet18, alexnet], input_px: 32}\n" + PROTOCOL
TORCH = "axes: {backend: pytorch, model: [{name: squeezenet1_1, num_classes: 2}], input_px: 64}\n" + PROTOCOL
LIMIT = ["--max-latency-ms", "50", "--candidates", "own.csv", "--only-candidates"]
COMMANDS = {
    "run": ["run", "-m", "matrix.yaml", "--again"],
    "status": ["status", "-m", "matrix.yaml"],
    "plan": ["plan", "-m", "matrix.yaml"],
    "doctor": ["doctor"],
    "accuracy": ["accuracy", "images", "-m", "torch.yaml"],
    "selftest": ["selftest", "--budget", "1", "--backend", "noop"],
    "selftest --keep": ["selftest", "--budget", "1", "--backend", "noop", "--keep", "kept"],
    "profile": ["profile", "squeezenet1_1", "--input-px", "64"],
    "export": ["export", "-m", "torch.yaml"],
    "noise": ["noise", "a", "b", "--out", "noise.json"],
    "noise of its own sweeps": ["noise", "-m", "matrix.yaml", "--cells", "1", "--sweeps", "2"],
    "report": ["report", "--no-gif", "--no-figures"],
    "report --paper": ["report", "--no-gif", "--figures", "--paper", "--methods"],
    "compare": ["compare", "a", "b"],
    "compare --run": ["compare", "--run", "matrix.yaml", "other.yaml", "--rounds", "2"],
    "predict": ["predict", "--model", "vgg13", "--platform", "cpu", "--records", "a"],
    "recommend": ["recommend", "--platform", "cpu", "--records", "a"],
    "search": ["search", *LIMIT, "--measurements", "1"],
    "search --next": ["search", *LIMIT, "--next"],
    "import": ["import", "table", "t.csv", "--replace"],
    "export-table": ["export-table", "out.csv"],
    "export-table of Parquet": ["export-table", "out.parquet"],
    "fleet plan": ["fleet", "plan", "--nodes", "nodes.yaml", "-m", "matrix.yaml", "--name", "new"],
    "fleet submit": ["fleet", "submit", "fleet/s", "--engine", "kubernetes"],
    "fleet collect": ["fleet", "collect", "fleet/s", "--out", "collected"],
}
PRINTING = ("backends", "models", "environment", "schema")  # no file is opened
READING = ("status", "plan", "doctor", "compare", "predict", "recommend")  # these do their work on any disk
QUICK = ("run", "status", "import", "export-table", "compare --run", "search --next", "fleet plan", "fleet submit", "fleet collect")
END = {".png": b"IEND\xaeB`\x82", ".svg": b"</svg>", ".pdf": b"%%EOF", ".html": b"</html>", ".parquet": b"PAR1"}


def some_records(number):
    run = f"2026010{number}T000000Z-0001"
    names = ("resnet18", "alexnet", "vgg11", "resnet50", "vgg16")
    made = [records.cell_record("cpu", "pytorch", name, run=run, samples=8) for name in names]
    return [records.environment_record("cpu", run, host="here"), *made]


def environment(**more):
    env = {name: value for name, value in os.environ.items() if not name.startswith("DYNO_")}
    return env | {"PYTHONPATH": str(ROOT), "DYNO_HOST": "here", "DYNO_PLATFORM": "cpu", "MPLCONFIGDIR": "/tmp"} | more


def dyno(folder, words, **more):
    """(exit code, standard output, standard error) of a command in the folder."""
    command = [sys.executable, "-m", "runner", *words]
    done = subprocess.run(
        command, cwd=folder, env=environment(**more), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def disk(tmp_path):
    """A file system of its own with what every command reads, and an old output of each."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting isn't permitted here: {done.stderr.strip()}")
    try:
        fill(folder)
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder):
    for name, text in {
        "matrix.yaml": NOOP,
        "other.yaml": NOOP.replace("0.01", "0.02"),
        "torch.yaml": TORCH,
        "nodes.yaml": "platforms:\n  cpu: {image: 'x:1'}\nnodes:\n  a: cpu\n",
        "t.csv": "model,latency_ms\nresnet18,1.5\n",
        "own.csv": "model,top1,input_px\nsqueezenet1_1,58,64\nsqueezenet1_0,58,64\n",
    }.items():
        (folder / name).write_text(text)
    for number, side in enumerate("ab", 1):
        records.write(folder / side / "x.jsonl", some_records(number))
        (folder / "images" / side).mkdir(parents=True)
        Image.new("RGB", (70, 70), (100 * number, 50, 3)).save(folder / "images" / side / "0.png")
    records.write(folder / "results" / "records" / "cpu-here.jsonl", some_records(2))
    planned = COMMANDS["fleet plan"][:-1] + ["s"]
    assert dyno(folder, planned)[0] == 0
    records.write(folder / "results" / "tasks" / "s" / "1" / "records" / "x.jsonl", some_records(1))
    for name in ("selftest.json", "noise.json", "out.csv", "out.parquet", "results/report/index.html", "collected/records/s/x.jsonl"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("old\n")
    for name in ("results/records/imported-table-t.jsonl", "fleet/s/kubernetes.yaml", "results/search/next.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}\n")


def take_up(folder, leave):
    """Fill the disk but for so many KiB."""
    stat = os.statvfs(folder)
    (folder / ".filling").write_bytes(bytes(max(0, stat.f_bavail * stat.f_frsize - 1024 * leave)))


def remount_read_only(folder):
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


def state(folder):
    """Every file by its path, but for logs and locks."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".log", ".lock"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if path.name not in (".filling", ".lock", "lock")}


def fault(name, content):
    """What is wrong with a file that was written; None if it is whole."""
    suffix = Path(name).suffix
    if ".part" in name:
        return "left over"
    if suffix in (".json", ".jsonl"):
        try:
            for line in content.splitlines() if suffix == ".jsonl" else [content]:
                json.loads(line)
        except ValueError:
            return "torn"
    if suffix in END and not content.rstrip().endswith(END[suffix]):
        return "torn"
    return None if content or suffix == ".sha256" else "empty"


def damage(before, after, killed=False):
    """What a command has spoilt: old files that are neither as they were nor whole, new ones that are no whole ones."""
    found = {name: "gone" for name in before if name not in after and "cache" not in name}
    for name, content in after.items():
        appended = name.startswith("results/records/cpu") and content.startswith(before.get(name, b"-"))
        wrong = None if before.get(name) == content or appended and not killed else fault(name, content)
        if wrong and not (killed and ".part" in name):
            found[name] = wrong
    return found


def test_every_command_is_tried():
    assert {words[0] for words in COMMANDS.values()} | set(PRINTING) == {one.name for one in (*table.MEASURING, *table.DECIDING)}


def some(names):
    return [pytest.param(name, marks=() if name in QUICK else pytest.mark.long) for name in names]


@pytest.mark.parametrize("leave", [0, pytest.param(8, marks=pytest.mark.long), pytest.param(40, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", some(COMMANDS))
def test_on_a_full_disk_the_old_output_stays_and_a_line_says_what_could_not_be_written(disk, name, leave):
    take_up(disk, leave)
    before = state(disk)
    code, out, said = dyno(disk, COMMANDS[name])
    assert not any(word in out + said for word in ("Traceback", "unexpected", "standard output")), said
    assert damage(before, state(disk)) == {}
    if name in READING:
        assert code in (0, 1) and said == "", said
    elif leave == 0 and not name.startswith("selftest"):
        last = said.splitlines()[-1]
        assert code == 1 and last.startswith("dyno: ") and "No space left on device" in last, said
        assert re.search(r"[\w./-]+(\.\w+|/[\w-]+): ", last), "the line names no file"


@pytest.mark.parametrize("name", some(COMMANDS))
def test_where_nothing_can_be_written_a_line_says_where(disk, name):
    remount_read_only(disk)
    code, out, said = dyno(disk, COMMANDS[name])
    assert not any(word in out + said for word in ("Traceback", "unexpected", ".part")), said
    if name in READING:
        assert code in (0, 1) and said == "", said
    else:
        assert code == 1 and "Read-only file system" in said and said.splitlines()[-1].startswith("dyno: "), said


def still_there(mark):
    """Processes that carry the mark in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes() and path.with_name("stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
                found.append(path.with_name("cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("after_s", [0.7, pytest.param(2.0, marks=pytest.mark.long), pytest.param(3.5, marks=pytest.mark.long)])
@pytest.mark.parametrize("how", [pytest.param(signal.SIGINT, marks=pytest.mark.long), signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "compare --run" else pytest.mark.long) for name in COMMANDS if name not in READING]
)
def test_a_command_that_is_stopped_leaves_whole_files_no_process_and_goes_on_when_asked_again(disk, name, how, after_s):
    before, mark = state(disk), uuid.uuid4().hex
    command = [sys.executable, "-m", "runner", *COMMANDS[name]]
    process = subprocess.Popen(command, cwd=disk, env=environment(MARK=mark), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # fmt: skip
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.send_signal(how)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (0, -how if how == signal.SIGKILL else 130), said
    assert "Traceback" not in said and "unexpected" not in said
    deadline = time.monotonic() + 30
    while still_there(mark):
        assert time.monotonic() < deadline, still_there(mark)
        time.sleep(0.05)
    assert damage(before, state(disk), killed=how == signal.SIGKILL) == {}
    shutil.rmtree(disk / "results" / "cache", ignore_errors=True)  # the disk is small
    if name != "noise of its own sweeps":  # two cells that do nothing have no noise floor
        assert dyno(disk, COMMANDS[name])[0] == 0


def test_an_interruption_of_code_that_was_made_from_a_text_ends_with_the_usual_code():
    """Python itself would end by SIGINT: it does so where an interruption left a text that it ran, as dataclasses are made."""
    program = (
        "import runner.backends as b; b.describe = lambda: exec('raise KeyboardInterrupt'); from runner.cli import app; app(['backends'])"
    )
    done = subprocess.run([sys.executable, "-c", program], env=environment(), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "dyno: interrupted\n")
