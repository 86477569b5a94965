"""What goes wrong around a fleet's task: one plain line each, and nothing is lost."""

import json
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta

import pytest
from conftest import ROOT

from analysis.fleet import hosts, nodes, reconcile, tasks
from analysis.frame import frame as frames

MATRIX = """protocol: {replicates: 1, max_time_s: 0.2, min_time_s: 0.05, warmup_max_s: 0.05, quiet_wait_s: 0, contention_retries: 0, contention_limit: 1, anchor_from: 0}
axes: {backend: [noop], model: [alexnet, resnet18], precision: [fp32], batch_size: [1, 2], input_px: [224], scenario: [latency]}
"""
NODES = {
    "platforms": {"shelf": {"devices": ["cpu"], "runtime": "none", "command": f"{sys.executable} -m runner"}},
    "nodes": {"n1": "shelf", "n2": "shelf"},
}


@pytest.fixture
def place(tmp_path):
    (tmp_path / "nodes.yaml").write_text(json.dumps(NODES))
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    return tmp_path


def plan(place, *more):
    """(exit code, what was said) of `dyno fleet plan`."""
    words = ["fleet", "plan", "--nodes", "nodes.yaml", "--folder", "fleet", "--results", "results", "--name", "s", *more]
    env = dict(os.environ, PYTHONPATH=str(ROOT))
    done = subprocess.run([sys.executable, "-m", "runner", *words], cwd=place, env=env, text=True, capture_output=True, timeout=100)
    return done.returncode, done.stdout + done.stderr


def task(folder, number, before="", **env):
    """(exit code, standard error) of task.sh, in a mount namespace of its own."""
    command = ["unshare", "-m", "sh", "-c", f"set -e; {before or ':'}; exec bash {folder}/task.sh {number}"]
    env = dict(os.environ, PYTHONPATH=str(ROOT), DYNO_HOST="n1") | env
    done = subprocess.run(command, env=env, text=True, capture_output=True, timeout=100)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{n1: shelf, n1: shelf}", "nodes.yaml: line 2, column 20: n1 appears twice; keep one"),
        ("\n\tn1: shelf", "nodes.yaml: line 3, column 1: found character '\\t' that cannot start any token"),
        ("{on: shelf}", "nodes.yaml: nodes: YAML reads a name as True; put it in quotes"),
        ("{1.10: shelf}", "nodes.yaml: nodes: YAML reads a name as 1.1; put it in quotes"),
        ("{n1: {platform: shelf, adress: x}}", "nodes.yaml: nodes.n1: adress is unknown; choose from address, platform, port, user"),
        ("{n1: {platform: shelf, address: h}, n2: {platform: shelf, address: h}}", "nodes.yaml: nodes.n2: is n1 too, by its address and port"),
        ("{n1: shelf}\nnode: {n2: shelf}", "nodes.yaml: node is unknown; choose from nodes, platforms"),
        ("[n1, n2]", "nodes.yaml: nodes: found list; give `name: platform` lines"),
    ],
)  # fmt: skip
def test_a_nodes_file_with_a_slip_of_the_pen_is_told_in_one_line(place, text, said):
    (place / "nodes.yaml").write_text(f"platforms: {{shelf: {{devices: [cpu], runtime: none}}}}\nnodes: {text}\n")
    with pytest.raises(nodes.FleetError) as caught:
        nodes.load(place / "nodes.yaml")
    assert str(caught.value).removeprefix(f"{place}/").startswith(said) and "\n" not in str(caught.value)


def test_numbers_are_names_of_nodes(place):
    (place / "nodes.yaml").write_text("platforms: {shelf: {runtime: none}}\nnodes: {7: shelf, '1.10': shelf}\n")
    assert [node.name for node in nodes.load(place / "nodes.yaml").nodes] == ["7", "1.10"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"nodes": {"n1": "jetson-jp9"}}, "nodes.n1: platform jetson-jp9 is unknown; choose from shelf, or add it to platforms"),
        ({"nodes": {"n1": {"platform": "shelf", "port": "ssh"}}}, "nodes.n1.port: 'ssh' is not a port number"),
        ({"nodes": {"n1": {"platform": "shelf", "port": [22]}}}, "nodes.n1.port: [22] is not a port number"),
        ({"nodes": {"n1": {"platform": "shelf", "address": "-oProxyCommand=x"}}}, "nodes.n1.address: '-oProxyCommand=x' is none that SSH takes"),
        ({"nodes": {"n1; rm": "shelf"}}, "nodes: 'n1; rm' is not a name"),
        ({"platforms": {"a\tb": {"image": "x"}}}, "'a\\tb' is not a name"),
        ({"platforms": {"shelf": {"image": "x\ny"}}}, "platforms.shelf.image: 'x\\ny' is not a line of text"),
        ({"platforms": {"shelf": {"image": "x", "runtime": "lxc"}}}, "platforms.shelf.runtime: lxc is unknown; choose from docker, podman, apptainer, none"),
        ({"platforms": {"shelf": {"devices": ["cpu"]}}}, "platforms.shelf: no image; name the platform's image"),
        ({"nodes": {}}, "nothing to do: no node is named; write some under nodes, or take Slurm's by --sinfo"),
    ],
)  # fmt: skip
def test_a_nodes_file_that_is_wrong_is_told_in_one_line_and_nothing_is_written(place, change, said):
    (place / "nodes.yaml").write_text(json.dumps(NODES | change))
    code, out = plan(place)
    assert code == 2 and said in out and len(out.strip().splitlines()) == 1
    assert not (place / "fleet").exists()


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--only", "model=lenet"], "dyno: nothing to do: the matrix, the profile and --only leave no cell for shelf; `dyno plan` shows what they leave"),
        (["--profile", "night", "--matrix", "mine.yaml"], "dyno: mine.yaml: profile night is unknown; the file has no profiles"),
        (["--boards", "3"], "dyno: --boards 3: there are 2 nodes of shelf; give at most so many"),
    ],
)  # fmt: skip
def test_a_plan_that_leaves_nothing_or_asks_for_what_is_not_there_is_told_in_one_line(place, option, said):
    (place / "mine.yaml").write_text(MATRIX)
    assert plan(place, *option) == (2, said + "\n")


def test_status_without_slurm_says_how_to_do_without(place):
    assert plan(place)[0] == 0
    words = [sys.executable, "-m", "runner", "fleet", "status", "fleet/s"]
    env = dict(os.environ, PYTHONPATH=str(ROOT), PATH=str(place))  # which has no squeue
    done = subprocess.run(words, cwd=place, env=env, text=True, capture_output=True, timeout=100)
    lacks = "squeue: not installed here; run this where the engine's commands are"
    assert (done.returncode, done.stderr) == (2, f"dyno: {lacks}; without Slurm: --no-queue counts records alone\n")
    done = subprocess.run([*words, "--no-queue"], cwd=place, env=env, text=True, capture_output=True, timeout=100)
    assert done.returncode == 0 and "3 missing" in done.stdout


def test_a_full_volume_keeps_whole_lines_and_the_task_is_made_up_for(place):
    assert plan(place)[0] == 0
    submission = tasks.load(place / "fleet" / "s")
    block = next(one for one in submission.tasks if one.board == tasks.ANY)
    out = reconcile.task_folder(submission, block)
    out.mkdir(parents=True)
    # what the small volume holds is kept aside before the namespace, and the mount with it, is gone
    small = f"mount -t tmpfs -o size=24k none {out}; trap 'cp -r {out} {place}/kept' EXIT"
    command = ["unshare", "-m", "bash", "-c", f"{small}; bash {submission.folder}/task.sh {block.number}"]
    env = dict(os.environ, PYTHONPATH=str(ROOT), DYNO_HOST="n1")
    done = subprocess.run(command, env=env, text=True, capture_output=True, timeout=100)
    assert done.returncode and "No space left on device" in done.stderr and f"task {block.number} on n1: ended with" in done.stderr
    for path in (place / "kept" / "records").glob("*.jsonl"):
        assert all(json.loads(line) for line in path.read_text().splitlines())
    assert [one.number for one in reconcile.missing(reconcile.states(submission), ())] == [one.number for one in submission.tasks]
    assert task(submission.folder, block.number)[0] == 0
    assert block.number not in [one.number for one in reconcile.missing(reconcile.states(submission), ())]


def test_a_volume_that_cannot_be_written_is_named_before_anything_is_measured(place):
    assert plan(place)[0] == 0
    folder, results = place / "fleet" / "s", place / "results"
    results.mkdir()
    code, said = task(folder, 1, before=f"mount -t tmpfs -o ro none {results}")
    assert code == 1 and f"task 1 on n1: can't write to {results}: see that the volume is mounted and has space" in said


def an_hour_earlier(match):
    """A time of a record, as a clock that is late by an hour has it."""
    return (datetime.fromisoformat(match[0]) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_clock_that_is_an_hour_off_is_named_and_its_records_join_the_others(place):
    assert plan(place, "--rounds", "2", "--boards", "1")[0] == 0
    submission = tasks.load(place / "fleet" / "s")
    clock = place / "bin" / "date"
    clock.parent.mkdir()
    clock.write_text('#!/bin/sh\n[ "$*" = +%s ] && exec /bin/date -d "-1 hour" +%s\nexec /bin/date "$@"\n')
    clock.chmod(0o755)
    for number, one in enumerate(submission.tasks):
        late = {"PATH": f"{clock.parent}:{os.environ['PATH']}"} if number % 2 else {}
        code, said = task(submission.folder, one.number, **late)
        assert code == 0 and ("the clock of this node is -3600 s from the volume's" in said) == bool(late), said
    for path in (place / "results").rglob("*.jsonl"):  # what the late node would have written
        if int(path.parts[-3]) % 2 == 0:
            path.write_text(re.sub(r"20\d\d-\d\d-\d\dT[\d:]{8}Z", an_hour_earlier, path.read_text()))
    reconcile.collect(submission, place / "out")
    merged = frames.merge([place / "out" / "records"])
    measured = sum(len(one.cells) for one in submission.tasks)
    assert merged.frame["n_replicates"].sum() == measured and not merged.problems
    assert not merged.frame.duplicated(["host", "cell_id", "role"]).any() and set(merged.frame["host"]) == {"n1"}


def test_a_host_that_the_file_no_longer_has_is_named_and_the_others_do_its_free_tasks(place):
    assert plan(place, "--block", "0.1")[0] == 0
    submission = tasks.load(place / "fleet" / "s")
    (place / "fewer.yaml").write_text(json.dumps(NODES | {"nodes": {"n1": "shelf"}}))
    found = hosts.assigned(submission, nodes.load(place / "fewer.yaml"))
    assert [one.board for one in found[hosts.NOBODY]] == ["n2"]
    assert {one.number for one in found["n1"]} == {one.number for one in submission.tasks if one.board != "n2"}


def test_a_task_reaches_the_runner_whole_by_apptainer(place):
    """A stand-in for apptainer, which isn't to be had here, that starts the runner with the variables of its own name as apptainer does."""
    image = place / "dyno.sif"
    image.touch()
    stand_in = place / "bin" / "apptainer"
    stand_in.parent.mkdir()
    stand_in.write_text(f"""#!/bin/bash
[ "$1 $2 $4" = "run --bind {image}" ] || exit 9
IFS=, read -r results cache matrix <<<"$3"
[ "${{cache#*:}} ${{matrix#*:}}" = "/results/cache /matrix.yaml" ] || exit 9
for name in "${{!APPTAINERENV_@}}"; do export "${{name#APPTAINERENV_}}=${{!name}}"; done
[ "$DYNO_RESULTS $DYNO_MATRIX" = "/results /matrix.yaml" ] || exit 9
export DYNO_RESULTS="${{results%%:*}}" DYNO_CACHE="${{cache%%:*}}" DYNO_MATRIX="${{matrix%%:*}}" DYNO_PLATFORM=shelf DYNO_DEVICES=cpu
shift 4
exec {sys.executable} -m runner "$@"
""")
    stand_in.chmod(0o755)
    platforms = {"shelf": {"devices": ["cpu"], "runtime": "apptainer", "image": str(image)}}
    (place / "nodes.yaml").write_text(json.dumps({"platforms": platforms, "nodes": {"n1": "shelf"}}))
    assert plan(place)[0] == 0
    submission = tasks.load(place / "fleet" / "s")
    for one in submission.tasks:
        assert task(submission.folder, one.number, PATH=f"{stand_in.parent}:{os.environ['PATH']}") == (0, "")
    assert all(state.complete for state in reconcile.states(submission))
    image.unlink()
    code, said = task(submission.folder, 1)
    assert code == 1 and said == f"task 1 on n1: image {image} is not here: apptainer build it on this node\n"
