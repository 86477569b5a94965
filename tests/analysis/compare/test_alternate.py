"""`dyno compare --run`: two sides measured in alternating rounds and compared round by round."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.compare import alternate, compare, judge
from analysis.errors import FrameError
from analysis.frame.columns import CELL

ROOT = Path(__file__).resolve().parents[3]
MATRIX = """
protocol: {{seed: {seed}, replicates: 1, min_time_s: 0.02, max_time_s: 0.2, warmup_min_s: 0.01, warmup_max_s: 0.1, quiet_wait_s: 0, contention_limit: 1}}
axes: {{backend: "fault:timed", model: [resnet18, alexnet], input_px: 32, precision: fp32, batch_size: [1, 2], scenario: latency}}
"""


def dyno(folder, *arguments, **env):
    """`dyno` in a process of its own, with the backend that takes as long as it is told."""
    env = dict(os.environ, DYNO_BACKENDS=str(ROOT / "tests/runner/faulty"), PYTHONPATH=str(ROOT), DYNO_HOST="here", **env)
    for name in ("DYNO_PLATFORM", "DYNO_DEVICES", "DYNO_RESULTS", "DYNO_CACHE", "DYNO_MATRIX"):
        env.pop(name, None)
    return subprocess.run([sys.executable, "-m", "runner", *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=110)


def matrices(folder, **seeds):
    for name, seed in seeds.items():
        (folder / f"{name}.yaml").write_text(MATRIX.format(seed=seed))


def test_a_planted_slow_down_of_ten_per_cent_is_found_and_nothing_else(tmp_path):
    matrices(tmp_path, a=100, b=110)  # at batch 1: 10 and 11 ms
    done = dyno(tmp_path, "compare", "--run", "a.yaml", "b.yaml", "--rounds", "4", "--format", "json")
    assert done.returncode == 1, done.stderr  # something is slower
    found = json.loads(done.stdout)
    verdicts = {(cell["model"], cell["batch_size"]): cell["verdict"] for cell in found["cells"]}
    assert [verdicts[model, 1] for model in ("resnet18", "alexnet")] == ["SLOWER"] * 2
    assert not {verdicts[model, 2] for model in ("resnet18", "alexnet")} & {"SLOWER", "FASTER"}
    assert found["floor_of"] == "pairs" and all(cell["replicates_a"] == 4 for cell in found["cells"])
    assert "A: matrix a.yaml" in done.stderr and "pair 4 of 4" in done.stderr
    again = next(line for line in done.stderr.splitlines() if "compared again by" in line).split("`")[1].split()
    repeated = dyno(tmp_path, *again[1:], "--format", "json")
    assert json.loads(repeated.stdout)["verdicts"] == found["verdicts"]


def test_the_sides_take_turns_and_each_replicate_says_its_round(tmp_path):
    matrices(tmp_path, a=5)
    done = dyno(tmp_path, "compare", "--run", "a.yaml", sys.executable, "-m", "a.yaml", "--rounds", "2", "--only", "batch_size=1")
    assert done.returncode in (0, 1), done.stderr
    assert f"B: {sys.executable}: dyno" in done.stderr
    begun = []
    for side in "ab":
        (path,) = (tmp_path / "results" / "compare").glob(f"*/{side}/records/*.jsonl")
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        last = {line["cell_id"]: line for line in lines if line["kind"] == "cell"}
        assert [[one["round"] for one in line["replicates"]] for line in last.values()] == [[1, 2]] * 2
        assert not [line for line in lines if line.get("role") == "anchor"]
        begun += [(line["environment"]["order_seed"], line["run"], side) for line in lines if line["kind"] == "environment"]
    assert len({seed for seed, *_ in begun}) == 4


def test_the_time_budget_ends_between_pairs(tmp_path):
    matrices(tmp_path, a=5)
    done = dyno(tmp_path, "compare", "--run", "a.yaml", "a.yaml", "--time-budget", "1s", "--rounds", "9", "--only", "id=cpu")
    assert done.returncode == 2  # no such cell: nothing to measure
    assert "A (a.yaml) can't be measured" in done.stderr or "B (a.yaml) can't be measured" in done.stderr
    done = dyno(tmp_path, "compare", "--run", "a.yaml", "a.yaml", "--time-budget", "1s", "--rounds", "9", "--only", "batch_size=1")
    assert "the time is spent after 1 of 9 pairs" in done.stderr and "fewer than two rounds" in done.stdout


def test_what_is_no_side_is_refused_before_anything_is_measured(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    done = dyno(tmp_path, "compare", "--run", "no-such-image:1", "none.yaml", DOCKER="no-such-docker")
    assert done.returncode == 2 and "no-such-image:1: neither a matrix" in done.stderr and done.stderr.count("\n") == 1
    for given in ("none.yaml", "notes.txt"):
        with pytest.raises(FrameError, match=f"{given}: neither a matrix"):
            alternate.side("A", str(tmp_path / given), tmp_path)
    with pytest.raises(FrameError, match="has no dyno"):
        python = tmp_path / "python"
        python.write_text("#!/bin/sh\nexit 1\n")
        python.chmod(0o755)
        (tmp_path / "a").mkdir()
        alternate.measured_by(alternate.side("A", str(python), tmp_path))


def test_an_image_is_started_with_the_devices_and_folders_that_make_gives_it(tmp_path, monkeypatch):
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\ncase "$*" in *Labels*) ;; "image inspect"*) echo sha256:abc ;; *) printf "[%s]" "$@"; echo ;; esac\n')
    docker.chmod(0o755)
    monkeypatch.setenv("DOCKER", str(docker))
    (tmp_path / "m.yaml").write_text("")
    one = alternate.side("A", "dyno-cpu:1", tmp_path / "results" / "compare" / "x")
    one.folder.mkdir(parents=True)
    words, env = alternate.command(one, alternate.Asked(str(tmp_path / "m.yaml"), "quick", ("model=vgg11",), tmp_path / "results"), 4)
    said = subprocess.run(words, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
    assert "[dyno-cpu:1][run][--round][4][--profile][quick][--only][model=vgg11][--results][/results/compare/x/a]" in said
    assert f"source={tmp_path}/m.yaml" in said and "target=/matrix.yaml" in said


def test_networks_that_two_matrices_call_alike_do_not_take_turns_in_one_cache(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.yaml").write_text("")
    a, b = (alternate.side(name, str(tmp_path / f"{name.lower()}.yaml"), tmp_path / "x") for name in "AB")
    python = alternate.side("B", sys.executable, tmp_path / "x")
    places = [alternate.command(one, alternate.Asked("m.yaml", None, (), tmp_path), 1)[0][-1] for one in (a, b, python)]
    assert places == [str(tmp_path / "x" / "a" / "cache"), str(tmp_path / "x" / "b" / "cache"), str(tmp_path / "cache")]
    assert alternate.command(a, alternate.Asked("m.yaml", None, (), tmp_path, tmp_path / "own"), 1)[0][-1] == str(tmp_path / "own")


def in_rounds(rng, cells, rounds, moment_sd, process_sd=0.015, shift=0.0):
    """Two frames whose replicates of one round share their moment."""
    moments = moment_sd * rng.standard_normal((cells, rounds)) + moment_sd * rng.standard_normal(rounds)
    for by in (0.0, shift):
        logs = -4 + moments + process_sd * rng.standard_normal((cells, rounds)) + np.broadcast_to(by, cells)[:, None]
        facts = dict(zip(CELL, ("cpu", "cpu", "pytorch", None, "fp32", 1, 224, "latency"), strict=True))
        names = [f"m{at:02}" for at in range(cells)]
        frame = pd.DataFrame({**facts, "model": names, "replicate_medians_s": [tuple(row) for row in np.exp(logs)]})
        more = {"role": "cell", "anchor": None, "status": "ok", "reason": None, "contended": False, "host": "h", "source": "records"}
        yield frame.assign(**more, cell_id=names, run="r", started_at="2026", attempt=1, rounds=rounds, file="f").assign(
            replicate_rounds=[tuple(range(1, rounds + 1))] * cells
        )


@pytest.mark.parametrize("moment_sd", [0.0, 0.01, 0.03, 0.08])
def test_moments_that_both_sides_share_cost_no_power_and_give_no_false_verdict(moment_sd):
    rng = np.random.default_rng(int(1000 * moment_sd))
    change = np.where(np.arange(36) < 12, np.log(1.1), 0.0)
    found, any_false = [], 0
    for _ in range(40):
        same = compare.compare(*in_rounds(rng, 36, 6, moment_sd), paired=True).cells
        any_false += same["verdict"].isin([judge.FASTER, judge.SLOWER]).any()
        slower = compare.compare(*in_rounds(rng, 36, 6, moment_sd, shift=change), paired=True).cells["verdict"].iloc[:12] == judge.SLOWER
        found.append(slower.mean())
    assert any_false <= 5 and np.mean(found) >= 0.95  # of 40, 2 are expected


def test_two_per_cent_are_found_on_a_restless_machine_by_more_rounds():
    rng = np.random.default_rng(2)

    def share(rounds, paired):
        tables = [compare.compare(*in_rounds(rng, 36, rounds, 0.05, shift=np.log(1.04)), paired=paired).cells for _ in range(10)]
        return np.mean([(table["verdict"] == judge.SLOWER).mean() for table in tables])

    assert share(12, True) > 0.9 and share(12, False) < 0.2


def test_rounds_that_one_side_lacks_do_not_count():
    a, b = in_rounds(np.random.default_rng(3), 6, 4, 0.0)
    b.at[0, "replicate_medians_s"], b.at[0, "replicate_rounds"] = b.at[0, "replicate_medians_s"][:1], (3,)
    b.at[1, "replicate_rounds"] = (1, 2, 2, 9)
    table = compare.compare(a, b, paired=True).cells
    assert table["replicates_a"].tolist()[:3] == [1, 2, 4]
    assert table["reason"].iloc[0] == "fewer than two rounds that both sides have" and table["verdict"].iloc[0] == judge.INCONCLUSIVE


def test_either_side_goes_first_at_random():
    firsts = []
    for seed in range(40):
        pair = ["a", "b"]
        random.Random(seed).shuffle(pair)
        firsts.append(pair[0])
    assert 10 < firsts.count("a") < 30
