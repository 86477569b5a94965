"""Every file that a user names: a pipe nobody writes to, a device without an end, a folder, nonsense. A line, in no time, and no memory."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import records

ROOT = Path(__file__).parents[3]
LIMIT_S = 60
NAMED = {
    "plan": ["plan", "-m", "ODD"],
    "status": ["status", "-m", "ODD"],
    "import": ["import", "table", "ODD", "--out", "o.jsonl"],
    "report": ["report", "--records", "ODD", "--out", "r"],
    "compare": ["compare", "ODD", "a"],
    "predict": ["predict", "--model", "resnet18", "--platform", "cpu", "--records", "a", "--features", "ODD"],
    "recommend": ["recommend", "--platform", "cpu", "--records", "a", "--candidates", "ODD"],
    "fleet plan": ["fleet", "plan", "--nodes", "ODD", "-m", "matrix.yaml"],
    "fleet plan's matrix": ["fleet", "plan", "--nodes", "nodes.json", "-m", "ODD"],
}
ODD = ("pipe", "zero", "folder", "binary", "deep", "long")
SHORT = ("plan", "import", "fleet plan")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    (folder / "matrix.yaml").write_text("axes: {backend: noop, model: resnet18, input_px: 32}\n")
    (folder / "nodes.json").write_text(json.dumps({"platforms": {"cpu": {"runtime": "none"}}, "nodes": {"n1": "cpu"}}))
    some = [records.cell_record("cpu", "pytorch", name, samples=8) for name in ("resnet18", "alexnet", "vgg11", "resnet50", "vgg16")]
    records.write(folder / "a" / "x.jsonl", [records.environment_record("cpu", host="here"), *some])
    os.mkfifo(folder / "pipe")
    (folder / "zero").symlink_to("/dev/zero")
    (folder / "folder").mkdir()
    (folder / "binary").write_bytes(bytes(range(256)) * 100)
    (folder / "deep").write_text("[" * 200_000)
    (folder / "long").write_text('model,top1\n"' + "x" * 400_000 + '",70\n')
    return folder


def bounded():
    resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30))


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", [name if name in SHORT else pytest.param(name, marks=pytest.mark.long) for name in NAMED])
def test_an_odd_file_is_told_in_a_line(made, name, odd):
    words = [odd if word == "ODD" else word for word in NAMED[name]]
    env = {key: value for key, value in os.environ.items() if not key.startswith("DYNO_")}
    env.update(PYTHONPATH=str(ROOT), DYNO_PLATFORM="cpu", DYNO_HOST="here", DYNO_MERGE_CACHE=str(made / "cache"))
    done = subprocess.run(
        [sys.executable, "-m", "runner", *words], cwd=made, env=env, preexec_fn=bounded, capture_output=True, text=True, timeout=LIMIT_S
    )
    assert done.returncode in (1, 2) and not done.stdout, done.stdout
    said = [line for line in done.stderr.splitlines() if not line.startswith("dyno: warning")]
    assert len(said) == 1 and said[0].startswith("dyno: ") and "unexpected" not in said[0] and len(said[0]) < 1000, done.stderr


def test_a_matrix_from_another_command_is_read(made):
    command = f"{sys.executable} -m runner plan -m <(cat matrix.yaml)"
    env = dict(os.environ, PYTHONPATH=str(ROOT), DYNO_PLATFORM="cpu")
    done = subprocess.run(["bash", "-c", command], cwd=made, env=env, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0 and "resnet18" in done.stdout, done.stderr
