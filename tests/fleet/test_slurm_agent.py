"""A board that joins a cluster by the agent's container, on a stand-in base: its slurmd takes a task, which the host's Docker runs."""

import json
import os
import shutil
import sys
from pathlib import Path

import bases
import pytest
from cluster import Cluster
from conftest import IMAGE, ROOT, mounts
from test_slurm import MATRIX, finish, fleet, states

pytestmark = pytest.mark.long
AGENT = "dyno-slurm-agent-test:1"


@pytest.fixture(scope="module")
def agent(docker, tmp_path_factory):
    """The agent's image, on Debian 12 as debootstrap makes it."""
    debian = tmp_path_factory.mktemp("base") / "debian"
    bases.import_debian(docker, bases.debian(debian), "dyno-slurm-agent-test:base")
    shutil.rmtree(debian)
    flags = ["--network=host", "--build-arg", "BASE=dyno-slurm-agent-test:base", "--file", ROOT / "docker/slurm-agent/Dockerfile.agent"]
    docker("build", *flags, "--tag", AGENT, ROOT)
    yield AGENT
    docker("rmi", "--force", AGENT, "dyno-slurm-agent-test:base", check=False)


def test_a_board_joins_by_the_agents_container_and_does_its_tasks(docker, agent, tmp_path):
    tool = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    socket = docker.env.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    with Cluster({"nano-1": "alpha"}, tool, away=("nano-1",)) as cluster:
        flags = [
            "--detach",
            "--network=host",
            "--pid=host",
            "--env",
            "SLURM_NODE=nano-1",
            "--volume",
            f"{socket}:/var/run/docker.sock",
        ]
        flags += [
            "--volume",
            f"{cluster.folder}/slurm.conf:/etc/slurm/slurm.conf:ro",
            "--volume",
            f"{cluster.folder}/munge.key:/etc/munge/munge.key:ro",
        ]
        container = docker("run", *flags, "--volume", f"{tmp_path}:{tmp_path}", agent).stdout.strip()
        try:
            cluster.until(lambda: cluster.idle() == {"nano-1"}, 60, docker("logs", container).stderr + " nano-1 to join")
            platform = {"devices": ["cpu"], "image": IMAGE, "flags": " ".join(["--network none --tmpfs /tmp:rw", *mounts()])}
            (tmp_path / "nodes.yaml").write_text(json.dumps({"platforms": {"alpha": platform}, "nodes": {}}))
            (tmp_path / "matrix.yaml").write_text(MATRIX)
            words = ["--sinfo", "--only", "model=alexnet", "--folder", tmp_path / "fleet", "--results", tmp_path / "results", "--name", "s"]
            folder = fleet(cluster, "plan", "--nodes", tmp_path / "nodes.yaml", "--matrix", tmp_path / "matrix.yaml", *words).splitlines()[
                -1
            ]
            fleet(cluster, "submit", folder)
            finish(cluster, folder, 90)
            assert {host for state in states(folder) for host in state.hosts} == {"nano-1"}
        finally:
            docker("rm", "--force", container)
