"""SIGKILL at any place of a command that writes itself (`run`, `search` and `export` leave that to processes, see tests/runner/measure/test_killed.py): the old output is as it was, the new one is whole or absent, and the command goes on where it is asked again."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import records

ROOT = Path(__file__).parents[3]
KILLED = Path(__file__).parent / "killed_writer.py"
MATRIX = "axes: {backend: noop, model: [resnet18, alexnet], input_px: 32}\nprotocol: {replicates: 1}\n"
NODES = {"platforms": {"cpu": {"runtime": "none"}}, "nodes": {"n1": "cpu", "n2": "cpu"}}
COMMANDS = {
    "import": ["import", "table", "t.csv", "--out", "out/rows.jsonl", "--replace"],
    "export-table": ["export-table", "out/table.csv", "--records", "a"],
    "export-table parquet": ["export-table", "out/table.parquet", "--records", "a"],
    "noise": ["noise", "a", "b", "--out", "out/noise.json"],
    "fleet plan": ["fleet", "plan", "--nodes", "nodes.json", "-m", "matrix.yaml", "--name", "s", "--folder", "out", "--results", "results"],
    "report": ["report", "--records", "a", "--out", "out", "--no-gif"],
}
SLOW = ("report",)
PLACES = {"report": (1, 12)}
END = {".png": b"IEND\xaeB`\x82", ".svg": b"</svg>\n", ".pdf": b"%%EOF", ".html": b"</html>"}  # of a file that is whole


@pytest.fixture
def made(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    (tmp_path / "nodes.json").write_text(json.dumps(NODES))
    (tmp_path / "t.csv").write_text("model,latency_ms\nresnet18,1.5\n")
    for number, side in enumerate("ab", 1):
        run = f"2026010{number}T000000Z-0001"
        some = [records.environment_record("cpu", run, host="here")]
        some += [records.cell_record("cpu", "pytorch", name, run=run, samples=8) for name in ("resnet18", "alexnet", "vgg11", "resnet50")]
        records.write(tmp_path / side / "x.jsonl", some)
    return tmp_path


def finished(folder):
    """Files below `out` that bear their last name; logs, locks and parts are on their way."""
    found = [path for path in (folder / "out").rglob("*") if path.is_file() and "cache" not in path.relative_to(folder / "out").parts]
    return [path for path in found if path.suffix not in (".log", ".part", ".lock") and path.name != ".lock"]


def is_whole(path):
    content = path.read_bytes()
    if path.suffix in (".json", ".jsonl"):
        return all(json.loads(line) is not None for line in (content.splitlines() if path.suffix == ".jsonl" else [content]))
    return bool(content) and content.rstrip().endswith(END.get(path.suffix, b"").rstrip())


def dyno(folder, at, words):
    env = {name: value for name, value in os.environ.items() if not name.startswith("DYNO_")}
    env.update(
        DYNO_HOST="here", DYNO_PLATFORM="cpu", DYNO_MERGE_CACHE=str(folder / "cache"), DYNO_TEST_BELOW=str((folder / "out").resolve())
    )
    done = subprocess.run([sys.executable, str(KILLED), str(at), *words], cwd=folder, env=env, capture_output=True, text=True, timeout=200)
    return done.returncode, done.stderr


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.long) if name in SLOW else name for name in COMMANDS])
def test_a_killed_command_leaves_whole_files_and_can_be_asked_again(made, name):
    words, killed, at = COMMANDS[name], 0, 0
    for at in PLACES.get(name, range(1, 60)):
        code, said = dyno(made, at, words)
        if code != -signal.SIGKILL:
            break
        killed += 1
        for path in finished(made):
            assert is_whole(path), (at, path)
    assert killed
    if code == -signal.SIGKILL:
        code, said = dyno(made, 10**9, words)
    assert code == 0, said
    assert finished(made) and all(is_whole(path) for path in finished(made))


def test_an_old_output_is_there_until_the_new_one_is_whole(made):
    for name in ("import", "export-table", "noise"):
        words = COMMANDS[name]
        target = made / next(word for word in words if word.startswith("out/"))
        target.write_text("old")
        for at in range(1, 60):
            code, _ = dyno(made, at, words)
            if code != -signal.SIGKILL:
                break
            assert target.read_text() == "old", (name, at)
        assert code == 0 and target.read_text() != "old"
