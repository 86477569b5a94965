"""The check after a search: what it left unmeasured and could have been better is measured, and says whether the answer was the best."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from searches import a_task, measured

from analysis.errors import FrameError
from analysis.predict import searching
from analysis.predict.search import GAIN
from benchmarks import search_check
from runner.plan import matrix

ROOT = Path(__file__).parents[3]
NETWORK = ROOT / "tests" / "data" / "tiny_network.onnx"
PATIENCE_S = 240


def searched(best_at=30):
    """A search of 60 networks that measured three; the best of them is number `best_at`."""
    task = a_task()
    order = np.argsort([-c.top1 for c in task.candidates], kind="stable")
    failed = {"status": "failed", "reason": "out of memory", "latency_s": np.nan}
    cells = [(int(order[best_at]), 0.03, False, {}), (int(order[0]), 0.09, False, {}), (int(order[1]), 0.05, False, failed)]
    return task, searching.state(task, measured(task, *cells))


def test_the_likeliest_of_those_that_could_refute_the_answer_are_picked_none_that_was_measured_or_failed():
    task, now = searched()
    rows = search_check.picks(now, 10)
    assert len(rows) == 10 and not set(rows) & (set(now.records) | set(now.reasons))
    assert (now.pool.top1[rows] > now.pool.top1[now.choice.best] + GAIN).all() and (np.diff(now.choice.chance[rows]) <= 0).all()
    with pytest.raises(FrameError, match="--backend tensorrt: not searched; choose from onnxruntime"):
        search_check.picks(now, 10, "tensorrt")
    plan = matrix.parse(search_check.matrix(task, rows, 1), profile="check")
    cells = {(model, px) for block in plan.blocks for model in block["model"] for px in block["input_px"]}
    assert cells == {(task.candidates[row].model, task.candidates[row].input_px) for row in rows} and plan.protocol.replicates == 1


def test_the_verdict_tells_better_ones_from_those_that_a_busy_machine_slowed():
    task, now = searched()
    rows = search_check.picks(now, 4)
    failed = {"status": "failed", "reason": "out of memory", "latency_s": np.nan}
    for first, better in ((0.03, (rows[0],)), (0.05, ())):
        after = searching.state(
            task, measured(task, (rows[0], first, False, {}), (rows[1], 0.05, True, {}), (rows[2], 0.05, False, failed))
        )
        found = search_check.judge(now, after, rows)
        assert (found.better, found.undecided, found.failed, found.measured) == (better, (rows[1],), 1, tuple(rows[:2]))
        said = search_check.text(now, after, rows, found, 60)
        assert ("MEETS THE LIMITS" in said) == bool(
            better
        ) and "2 of 4 measured in 60 s (1 not measured, 1 can't run here, 1 beside busy neighbours)" in said


def test_a_folder_without_a_search_is_one_line(tmp_path):
    done = subprocess.run([sys.executable, "benchmarks/search_check.py", str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "no search; `dyno search" in done.stdout and not done.stderr


@pytest.mark.long
def test_a_search_that_ended_too_soon_is_refuted_by_real_measurements_and_the_check_goes_on_where_it_was(tmp_path):
    pytest.importorskip("onnxruntime")
    mine = tmp_path / "mine.csv"
    for name in ("small", "large"):
        shutil.copy(NETWORK, tmp_path / f"{name}.onnx")
    mine.write_text(f"model,top1\nonnx:{tmp_path}/small.onnx,70\n")
    results, dyno = tmp_path / "results", [sys.executable, "-m", "runner"]
    given = ["--candidates", str(mine), "--only-candidates"]
    limits = ["--max-latency-ms", "500", "--backend", "onnxruntime", "--measurements", "1", "--results", str(results)]
    ended = subprocess.run([*dyno, "search", *limits, *given], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert "the best that meets the limit: onnx:" in ended.stdout, ended.stderr
    check = [sys.executable, "benchmarks/search_check.py", str(results), *given]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0 and "was measured by the search" in done.stdout
    mine.write_text(mine.read_text() + f"onnx:{tmp_path}/large.onnx,80\n")  # what the search didn't know
    for _ in range(2):
        done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
        assert done.returncode == 1 and "1 better by more than 0.3 points" in done.stdout, done.stdout + done.stderr
    records = list((results / "check" / "records").glob("*.jsonl"))
    assert sum(line.count('"kind":"replicate"') for line in records[0].read_text().splitlines()) <= search_check.REPLICATES
