"""Manifests for Kubernetes: valid, strictly, against the schema of 1.33, and saying what makes a benchmark fair."""

import json
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from analysis.fleet import kubernetes, nodes, scripts, tasks

NODES = """
platforms:
  cpu: {devices: [cpu], image: "dyno-cpu:1.0"}
  cuda: {devices: [gpu], image: "dyno-cuda:1.0", resources: {nvidia.com/gpu: 1}}
nodes: {n1: cpu, n2: cpu, g1: cuda}
"""


@pytest.fixture
def submission(tmp_path):
    (tmp_path / "nodes.yaml").write_text(NODES)
    fleet = nodes.load(tmp_path / "nodes.yaml")
    cells = {kind: [tasks.PlannedCell(f"{kind}.cell{n}", "latency", 100.0 + n) for n in range(20)] for kind in fleet.platforms}
    folder = tmp_path / "s"
    folder.mkdir()
    made = tasks.make(fleet, cells, "s", 1, 1)
    found = tasks.Submission(
        "s", str(folder), "/data", tuple(fleet.platforms.values()), tuple((n.name, n.platform) for n in fleet.nodes), tuple(made)
    )
    (folder / "matrix.yaml").write_text("axes: {}\n")
    scripts.write(found, None)
    return found


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize("version", ["1.33", "1.37"])
def test_every_manifest_is_valid_strictly(submission, indexed, version):
    documents = list(yaml.safe_load_all(kubernetes.write(submission, "dyno-results", indexed).read_text()))
    assert len(documents) == 1 + (len(submission.arrays()) if indexed else len(submission.tasks))
    for document in documents:
        kubernetes_validate.validate(document, version, strict=True)


def test_the_device_is_exclusive_and_benchmarks_keep_apart(submission):
    jobs = [document for document in kubernetes.manifests(submission, "c") if document["kind"] == "Job"]
    for job in jobs:
        pod = job["spec"]["template"]["spec"]
        (apart,) = pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert (
            apart["topologyKey"] == "kubernetes.io/hostname"
            and apart["labelSelector"]["matchLabels"].items() <= job["spec"]["template"]["metadata"]["labels"].items()
        )
        limits = pod["containers"][0].get("resources", {}).get("limits", {})
        assert limits == ({"nvidia.com/gpu": "1"} if pod["nodeSelector"]["dyno.platform"] == "cuda" else {})


def test_each_index_does_the_task_of_its_number(submission, tmp_path):
    """The pod's own command, with a runner that says how it was called."""
    (tmp_path / "bin").mkdir()
    said = tmp_path / "bin" / "dyno"
    said.write_text('#!/bin/sh\nprintf "%s\\n" "$DYNO_TASK" "$@"\n')
    said.chmod(0o755)
    for job in kubernetes.manifests(submission, "c"):
        if job["kind"] != "Job":
            continue
        command = job["spec"]["template"]["spec"]["containers"][0]["command"]
        script = command[2].replace("/dyno/", f"{submission.folder}/").replace("/data/", f"{tmp_path}/data/")
        tasks_of = [t for t in submission.tasks if kubernetes.name_of(f"dyno-s-{t.array}") == job["metadata"]["name"]]
        assert job["spec"]["completions"] == len(tasks_of)
        for index, task in enumerate(tasks_of):
            env = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "JOB_COMPLETION_INDEX": str(index)}
            done = subprocess.run([*command[:2], script], env=env, text=True, capture_output=True, check=True)
            lines = done.stdout.splitlines()
            assert json.loads(lines[0]) == json.loads(task.as_text()) and lines[-1] == "id=" + ",".join(task.cells)


def test_a_platform_without_an_image_is_refused(submission):
    bare = tasks.Submission(
        **{**vars(submission), "platforms": tuple(nodes.Platform(p.name, p.devices, "none") for p in submission.platforms)}
    )
    with pytest.raises(nodes.FleetError, match="Kubernetes runs images; give one"):
        kubernetes.manifests(bare, "c")
