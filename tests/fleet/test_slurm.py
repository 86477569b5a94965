"""A fleet on a real Slurm: five nodes of two kinds on the loopback, one kind by Docker, one by the bare runner; what dies is killed for real."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cluster import Cluster
from conftest import IMAGE, ROOT, mounts

from analysis.fleet import reconcile, tasks
from analysis.merge import table

NODES = {"a1": "alpha", "a2": "alpha", "a3": "alpha", "b1": "beta", "b2": "beta"}
MATRIX = """protocol: {replicates: 1, max_time_s: 1.2, min_time_s: 1.0, warmup_max_s: 0.1, quiet_wait_s: 0, contention_retries: 0, contention_limit: 1, anchor_from: 0}
axes: {backend: [noop], model: [alexnet, resnet18, resnet50], precision: [fp32], batch_size: [1, 2, 4, 8], input_px: [224], scenario: [latency]}
"""


@pytest.fixture(scope="module")
def cluster(docker):
    python = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with Cluster(
        NODES, {"PATH": python, "PYTHONPATH": str(ROOT), **{k: v for k, v in docker.env.items() if k == "DOCKER_HOST"}}
    ) as cluster:
        yield cluster


@pytest.fixture
def place(tmp_path, cluster):
    cluster("scancel", "--user=root")
    cluster.until(lambda: not cluster("squeue", "--noheader").strip(), 30, "the last test's jobs to end")
    cluster("scontrol", "update", "NodeName=ALL", "State=RESUME", check=False)  # a node whose job its controller forgot is drained
    flags = " ".join(["--network none --tmpfs /tmp:rw", *mounts()])
    nodes = {
        "platforms": {
            "alpha": {"devices": ["cpu"], "runtime": "docker", "image": IMAGE, "flags": flags},
            "beta": {"devices": ["cpu"], "runtime": "none", "command": f"{sys.executable} -m runner"},
        }
    }
    (tmp_path / "nodes.yaml").write_text(json.dumps(nodes))
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    return tmp_path


def fleet(cluster, *words, check=True):
    """`dyno fleet ...` in this cluster."""
    command = [sys.executable, "-m", "analysis", "fleet", *map(str, words)]
    done = subprocess.run(command, env=cluster.env, cwd=ROOT, text=True, capture_output=True, timeout=120)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout + (done.stderr if not check else "")


def planned(cluster, place, *more):
    options = [
        "--nodes",
        place / "nodes.yaml",
        "--sinfo",
        "--matrix",
        place / "matrix.yaml",
        "--folder",
        place / "fleet",
        "--results",
        place / "results",
    ]
    return fleet(cluster, "plan", *options, "--name", "s", *more).splitlines()[-1]


def states(folder):
    return reconcile.states(tasks.load(folder))


def running(cluster, prefix):
    """(task, node) of what runs on nodes of a kind."""
    lines = cluster("squeue", "--noheader", "--array", "--states=RUNNING", "--format=%K|%N").split()
    return [tuple(line.split("|")) for line in lines if line.split("|")[1].startswith(prefix)]


def finish(cluster, folder, seconds):
    """Reconcile, as a user would, until every task is complete."""
    deadline = time.monotonic() + seconds
    while not all(state.complete for state in states(folder)):
        assert time.monotonic() < deadline, fleet(cluster, "status", folder, check=False) + cluster("sinfo") + cluster("squeue", "--array")
        time.sleep(2)
        cluster("scontrol", "update", "NodeName=ALL", "State=RESUME", check=False)  # as the cluster's admin would
        fleet(cluster, "reconcile", folder)


def assert_each_once(folder, place):
    """No cell of any task is lost, none is there twice, in the merge of what was collected."""
    fleet_of = tasks.load(folder)
    reconcile.collect(fleet_of, place / "out")
    merged = table.merge([place / "out" / "records"], place / "cache")
    cells = merged.frame[merged.frame["role"] == "cell"]
    assert not cells.duplicated(["host", "cell_id"]).any()  # rounds of a board are one row
    cells = cells.assign(task=cells["task"].str.split()).explode("task")
    wanted = [(f"s/{t.platform}/{t.board}/{t.round}/{t.block}", cell) for t in fleet_of.tasks for cell in t.cells]
    assert sorted(zip(cells["task"], cells["cell_id"], strict=True)) == sorted(wanted)
    assert (cells["status"] == "ok").all()
    return merged


def test_a_killed_node_costs_no_cell_and_its_task_goes_to_another_of_its_kind(cluster, docker, place):
    folder = planned(cluster, place, "--block", "0.3")
    fleet(cluster, "submit", folder)
    containers = lambda: docker("ps", "--quiet", "--filter", "label=dyno.node=a1").stdout.split()
    anywhere = {str(task.number) for task in tasks.load(folder).tasks if task.board == "any"}
    cluster.until(
        lambda: any(node == "a1" and task in anywhere for task, node in running(cluster, "a")) and containers(),
        90,
        "a task in a container on a1",
    )
    (lost,) = [task for task, node in running(cluster, "a") if node == "a1"]
    cluster.kill("a1")
    docker("kill", *containers(), check=False)
    finish(cluster, folder, 150)
    done = next(state for state in states(folder) if state.task.number == int(lost))
    assert set(done.hosts) & {"a2", "a3"}
    cluster.start_node("a1")
    assert_each_once(folder, place)
    left = docker("ps", "--all", "--quiet", "--filter", "label=dyno.node").stdout
    assert not left, "prolog and epilog leave no container behind"
    report = subprocess.run(
        [sys.executable, "-m", "analysis", "report", "--no-gif", "--records", place / "out" / "records", "--out", place / "report"],
        cwd=ROOT, env=cluster.env, text=True, capture_output=True)  # fmt: skip
    assert report.returncode == 0 and (place / "report" / "index.html").exists(), report.stderr


def test_what_a_controller_lost_just_after_submission_is_submitted_again(cluster, place):
    folder = planned(cluster, place, "--block", "0.4", "--only", "model=alexnet")
    fleet(cluster, "submit", folder)
    cluster.kill("slurmctld")
    said = fleet(cluster, "reconcile", folder, check=False)
    assert "submitted" not in said and said.strip()  # while nobody can say what is queued, nothing is submitted twice
    cluster.start_controller()
    finish(cluster, folder, 120)
    assert_each_once(folder, place)


def test_a_cancelled_submission_goes_on_with_exactly_what_is_missing(cluster, place):
    folder = planned(cluster, place, "--block", "0.2", "--only", "model=resnet18")
    fleet(cluster, "submit", folder)
    cluster.until(lambda: any(state.complete for state in states(folder)), 60, "a first task")
    cluster("scancel", "--user=root")
    cluster.until(lambda: not cluster("squeue", "--noheader").strip(), 30, "the cancelled jobs' end")
    missing = [state.task.number for state in states(folder) if not state.complete]
    rows = json.loads(fleet(cluster, "status", folder, "--json"))
    assert [row["task"] for row in rows if not row["complete"]] == missing and missing
    said = fleet(cluster, "reconcile", folder)
    assert said.startswith(f"{len(missing)} task{'s' * (len(missing) != 1)} missing")
    finish(cluster, folder, 90)
    assert_each_once(folder, place)


def test_more_tasks_than_an_array_has_room_for_are_cut_in_thousands_and_found_again(cluster, place):
    """Slurm takes indices below 1001 unless MaxArraySize says otherwise; here nobody raised it."""
    folder = planned(cluster, place, "--rounds", "600", "--only", "model=alexnet", "--only", "batch_size=1")
    made = {task.number for task in tasks.load(folder).tasks}
    assert made == set(range(1, 2 * 600 + 5 + 1))  # one round of one cell each, and the anchors
    fleet(cluster, "submit", folder)
    rows = json.loads(fleet(cluster, "status", folder, "--json"))
    assert {row["task"] for row in rows if row["engine"] or row["complete"]} == made
    assert "0 tasks missing" in fleet(cluster, "reconcile", folder, "--dry-run")
    jobs = set(cluster("squeue", "--noheader", "--format=%j").split())
    assert {"dyno-s-beta", "dyno-s-beta+1"} <= jobs and "dyno-s-alpha+1" not in jobs
    for name in jobs - {"dyno-s-beta+1"}:
        cluster("scancel", f"--name={name}")
    first = next(task for task in tasks.load(folder).tasks if task.number == 1000)
    cluster.until(lambda: reconcile.task_folder(tasks.load(folder), first).exists(), 60, "a task beyond the first thousand")
    cluster.until(lambda: any(s.complete and s.task.number >= 1000 for s in states(folder)), 60, "its record")
    assert (Path(folder) / "logs" / "1000.log").exists()
    cluster("scancel", "--user=root")
    cluster.until(lambda: not cluster("squeue", "--noheader").strip(), 60, "the cancelled jobs' end")
    missing = [state.task.number for state in states(folder) if not state.complete]
    assert fleet(cluster, "reconcile", folder, "--dry-run").startswith(f"{len(missing):,} tasks missing")


def test_an_image_that_is_missing_on_the_node_is_named(cluster, place):
    nodes = json.loads((place / "nodes.yaml").read_text())
    nodes["platforms"] = {"alpha": nodes["platforms"]["alpha"] | {"image": "dyno-of-nobody:9"}}
    (place / "nodes.yaml").write_text(json.dumps(nodes))
    folder = planned(cluster, place, "--only", "model=alexnet", "--only", "batch_size=1")
    fleet(cluster, "submit", folder)
    cluster.until(lambda: not cluster("squeue", "--noheader").strip(), 60, "the jobs' end")
    assert "image dyno-of-nobody:9 is not here: docker pull or build it on this node" in fleet(cluster, "status", folder)


def test_a_node_that_slurm_no_longer_has_is_named_and_keeps_no_other_back(cluster, place):
    nodes = json.loads((place / "nodes.yaml").read_text())
    nodes["nodes"] = {"b1": "beta", "b9": "beta"}  # b9 was there when the file was written
    (place / "nodes.yaml").write_text(json.dumps(nodes))
    options = [
        "--nodes",
        place / "nodes.yaml",
        "--matrix",
        place / "matrix.yaml",
        "--folder",
        place / "fleet",
        "--results",
        place / "results",
    ]
    folder = fleet(cluster, "plan", *options, "--name", "s", "--only", "model=alexnet", "--only", "batch_size=1").splitlines()[-1]
    said = fleet(cluster, "submit", folder, check=False)
    assert "beta-b9 (2): sbatch --parsable: sbatch: error: Batch job submission failed: Invalid node name specified" in said
    assert f"2 other jobs submitted; fix it, then `dyno fleet reconcile {folder}`" in said
    cluster.until(lambda: [state.task.board for state in states(folder) if not state.complete] == ["b9"], 60, "the other tasks")
    said = fleet(cluster, "status", folder)
    assert "board b9" in said and "1 missing" in said
