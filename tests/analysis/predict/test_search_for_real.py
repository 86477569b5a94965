"""A search that really measures: killed at any moment it goes on, and its answer's replicates come from different moments."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")

from analysis.frame import frame as frames
from analysis.predict import path, searching

pytestmark = pytest.mark.long
NETWORK = Path(__file__).parents[2] / "data" / "tiny_network.onnx"
PATIENCE_S = 240


def command(folder: Path) -> list[str]:
    rows = ["model,top1"]
    for name, top1 in (("small", 70), ("large", 80), ("middle", 75)):
        shutil.copy(NETWORK, folder / f"{name}.onnx")
        rows.append(f"onnx:{folder / name}.onnx,{top1}")
    (folder / "mine.csv").write_text("\n".join(rows) + "\n")
    return [sys.executable, "-m", "runner", "search", "--max-latency-ms", "50", "--backend", "onnxruntime", "--candidates", str(folder / "mine.csv"),
            "--only-candidates", "--results", str(folder / "results")]  # fmt: skip


def test_a_search_that_was_killed_goes_on_and_answers_with_three_processes_of_different_moments(tmp_path):
    words = command(tmp_path)
    killed = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + PATIENCE_S
    while sum(line["event"] == path.ASKED for line in path.lines(tmp_path / "results")) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    before = [line for line in path.lines(tmp_path / "results") if line["event"] == path.DONE]
    assert before and before[0]["latency_ms"] > 0
    ended = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S)
    assert ended.returncode == 0, ended.stderr
    assert "the best that meets the limit: " in ended.stdout and "large.onnx" in ended.stdout and "Top-1 80.0 %" in ended.stdout
    table = path.table(tmp_path / "results")
    assert not table["reason"].notna().any()  # nothing that the kill cut off was given up
    assert (
        table["search"].nunique() == 1
        and json.loads(path.file_in(tmp_path / "results").read_text().splitlines()[-1])["event"] == path.ENDED
    )
    frame = frames.merge([tmp_path / "results" / "records"]).frame
    best = frame[frame["role"].eq("cell") & frame["model"].str.endswith("large.onnx")].iloc[-1]
    assert best["n_replicates"] >= searching.REPLICATES and best["rounds"] >= 2
