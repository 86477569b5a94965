"""Hosts by SSH: containers with sshd on the loopback, each a host that has nothing but a shell and the runner."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, mounts

from analysis.fleet import reconcile, tasks
from analysis.merge import table

MATRIX = """protocol: {replicates: 1, max_time_s: 0.3, min_time_s: 0.05, warmup_max_s: 0.1, quiet_wait_s: 0, contention_retries: 0, contention_limit: 1, anchor_from: 0}
axes: {backend: [noop], model: [alexnet, resnet18], precision: [fp32], batch_size: [1, 2], input_px: [224], scenario: [latency]}
"""


@pytest.fixture
def hosts(docker, image, tmp_path):
    """(folder of the nodes file, options of ssh, what switches a host on) of two hosts of a kind and one that is off."""
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
    (tmp_path / "authorized").write_text((tmp_path / "user.pub").read_text())
    settings = [
        "-o",
        "StrictModes=no",
        "-o",
        "UsePAM=no",
        "-o",
        f"AuthorizedKeysFile={tmp_path}/authorized",
        "-o",
        "PermitRootLogin=yes",
        "-o",
        "PidFile=none",
    ]
    nodes, running = {}, []
    for name in ("shelf-1", "shelf-2", "shelf-3"):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            nodes[name] = {"platform": "shelf", "address": "127.0.0.1", "port": probe.getsockname()[1], "user": "root"}

    def switch_on(name):
        port = nodes[name]["port"]
        command = ["run", "--detach", "--rm", "--network", "host", "--tmpfs", "/run", "--tmpfs", "/tmp:exec", "--tmpfs", "/var", *mounts()]
        command += ["--volume", f"{tmp_path}:{tmp_path}", "--entrypoint", "/bin/sh", image, "-c", "mkdir -p /run/sshd && exec /usr/sbin/sshd -D -e " + " ".join(["-p", str(port), "-h", str(tmp_path / "host"), *settings])]  # fmt: skip
        running.append(docker(*command).stdout.strip())
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)

    switch_on("shelf-1")
    switch_on("shelf-2")
    command = f"env PYTHONPATH={ROOT} {sys.executable} -m runner"
    document = {"platforms": {"shelf": {"devices": ["cpu"], "runtime": "none", "command": command}}, "nodes": nodes}
    (tmp_path / "hosts.yaml").write_text(json.dumps(document))
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    options = f"-o IdentityFile={tmp_path}/user -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=5"
    yield tmp_path, options, switch_on
    docker("rm", "--force", *running, check=False)


def fleet(*words):
    env = dict(os.environ, PYTHONPATH=str(ROOT), HOME=os.environ.get("HOME", "/"))
    done = subprocess.run(
        [sys.executable, "-m", "analysis", "fleet", *map(str, words)], cwd=ROOT, env=env, text=True, capture_output=True, timeout=200
    )
    return done.returncode, done.stdout + done.stderr


def test_hosts_do_their_tasks_by_ssh_and_one_that_is_off_is_named_and_made_up_for(hosts):
    place, options, switch_on = hosts
    code, said = fleet("plan", "--nodes", place / "hosts.yaml", "--matrix", place / "matrix.yaml", "--folder", place / "fleet", "--results", place / "results",
                       "--name", "s", "--block", "0.2")  # fmt: skip
    assert code == 0, said
    folder = said.strip().splitlines()[-1]
    code, said = fleet("run", folder, "--hosts", place / "hosts.yaml", "--remote", "/tmp/dyno", "--ssh-options", options)
    states = reconcile.states(tasks.load(folder))
    done = {host for state in states for host in state.hosts}
    assert code == 1 and done == {"shelf-1", "shelf-2"}, said
    assert "shelf-3" in said and "UNREACHABLE" in said
    assert any(state.complete for state in states) and not all(state.complete for state in states)
    switch_on("shelf-3")
    code, said = fleet("run", folder, "--hosts", place / "hosts.yaml", "--remote", "/tmp/dyno", "--ssh-options", options)
    assert code == 0 and "tasks done" in said, said
    assert all(state.complete for state in reconcile.states(tasks.load(folder))), said
    reconcile.collect(tasks.load(folder), place / "out")
    merged = table.merge([place / "out" / "records"], place / "cache")
    assert merged.frame["n_replicates"].sum() == sum(len(task.cells) for task in tasks.load(folder).tasks)
    assert sorted(Path(name).stem for name in merged.files) == ["shelf-shelf-1", "shelf-shelf-2", "shelf-shelf-3"]
