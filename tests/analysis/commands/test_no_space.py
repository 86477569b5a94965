"""Every command that writes, on a full disk and where nothing can be written: one line, the old output as it was, no part of a new one."""

import hashlib
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import records

ROOT = Path(__file__).parents[3]
MATRIX = (
    "axes: {backend: noop, model: resnet18, input_px: 32}\nprotocol: {replicates: 1, max_time_s: 0.1, quiet_wait_s: 0, anchor_from: 0}\n"
)
COMMANDS = {
    "run": ["run", "-m", "matrix.yaml"],
    "accuracy": ["accuracy", "images", "-m", "matrix.yaml", "--only", "model=resnet18"],
    "import": ["import", "table", "t.csv", "--map", "model=net", "--map", "latency_ms=ms", "--replace"],
    "noise": ["noise", "a", "b", "--out", "noise.json"],
    "export-table": ["export-table", "out.csv"],
    "export-table parquet": ["export-table", "out.parquet"],
    "selftest": ["selftest", "--budget", "1", "--out", "selftest.json"],
    "report": ["report", "--no-gif"],
}
SLOW = ("report", "selftest")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with records, an import, and an old output of every command."""
    folder = tmp_path_factory.mktemp("full")
    (folder / "matrix.yaml").write_text(MATRIX)
    (folder / "t.csv").write_text("net,ms\nresnet18,1.5\n")
    for number, side in enumerate("ab", 1):
        run = f"2026010{number}T000000Z-0001"
        some = [records.environment_record("cpu", run, host="here")]
        some += [
            records.cell_record("cpu", "pytorch", name, run=run, samples=8)
            for name in ("resnet18", "alexnet", "vgg11", "resnet50", "vgg16")
        ]
        records.write(folder / side / "x.jsonl", some)
    records.write(folder / "results" / "records" / "cpu-here.jsonl", some)
    (folder / "results" / "records" / "imported-table-t.jsonl").write_text("")
    (folder / "results" / "report").mkdir()
    for name in ("results/report/index.html", "noise.json", "out.csv", "out.parquet", "selftest.json"):
        (folder / name).write_text("old")
    for label in range(2):
        (folder / "images" / str(label)).mkdir(parents=True)
        (folder / "images" / str(label) / "0.png").write_bytes(b"no image")
    return folder


def state(folder):
    """Every file but logs and caches, by its content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".log" and "cache" not in path.relative_to(folder).parts
    }


def dyno(folder, arguments, limit):
    """(exit code, standard output, standard error) where no file may become larger than ``limit`` bytes: a full disk."""

    def full():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    env = {name: value for name, value in os.environ.items() if not name.startswith("DYNO_")}
    env.update(
        PYTHONPATH=str(ROOT),
        DYNO_HOST="here",
        DYNO_PLATFORM="cpu",
        DYNO_MERGE_CACHE=str(folder / "cache"),
        MPLCONFIGDIR=str(folder / "cache"),
    )
    done = subprocess.run(
        [sys.executable, "-m", "runner", *arguments], cwd=folder, env=env, preexec_fn=full, capture_output=True, text=True, timeout=200
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("limit", [0, 100])
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.long) if name in SLOW else name for name in COMMANDS])
def test_a_full_disk_leaves_what_was_there_and_says_so_in_a_line(made, name, limit):
    before = state(made)
    code, _, said = dyno(made, COMMANDS[name], limit)
    assert code in (1, 2), said
    assert "Traceback" not in said and "unexpected" not in said and said.startswith("dyno: "), said
    after = state(made)
    assert {path: after.get(path) for path in before} == before
    assert [path for path in set(after) - set(before) if path.endswith(".part") or ".part" in path] == []


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if name in SLOW else name for name in COMMANDS if name != "accuracy"]
)
def test_where_nothing_can_be_written_a_line_says_where(made, name):
    """A file where a folder should be stands for a folder without permission: whoever runs the tests as root may write anywhere."""
    (made / "file").write_text("")
    arguments = [
        word.replace("noise.json", "file/n").replace("out.", "file/out.").replace("selftest.json", "file/s") for word in COMMANDS[name]
    ]
    arguments += {"run": ["-r", "file"], "import": ["--out", "file/x"], "report": ["--out", "file/r"]}.get(name, [])
    code, _, said = dyno(made, arguments, resource.RLIM_INFINITY)
    assert code in (1, 2) and said.startswith("dyno: ") and "file" in said and said.count("\n") == 1 and "unexpected" not in said, said
