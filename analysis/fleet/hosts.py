"""Hosts by SSH, with Ansible: an inventory from the nodes, and the playbook that ships beside this file.

The playbook asks for no Python on the hosts: a Jetson Nano's is too old for Ansible's modules.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from analysis.fleet.nodes import Fleet, FleetError
from analysis.fleet.tasks import ANY, Submission, Task
from runner.files import atomic_write

NOBODY = ""  # whose tasks no host of the file may do
PLAYBOOK = Path(__file__).parent / "playbook.yml"


def assigned(submission: Submission, fleet: Fleet) -> dict[str, list[Task]]:
    """Tasks by node: the pinned ones where they belong, the others in turn over the nodes of their kind; under NOBODY those that no node may do."""
    found: dict[str, list[Task]] = {name: [] for name in (*(node.name for node in fleet.nodes), NOBODY)}
    load = dict.fromkeys(found, 0.0)
    for task in sorted(submission.tasks, key=lambda task: task.board == ANY):
        kind = [node.name for node in fleet.of(task.platform) if task.board in (ANY, node.name)]
        node = min(kind, key=lambda name: load[name]) if kind else NOBODY
        found[node].append(task)
        load[node] += task.seconds
    return found


def inventory(fleet: Fleet, tasks: dict[str, list[Task]]) -> dict[str, object]:
    """Ansible's inventory, as JSON (which YAML is)."""
    hosts = {}
    for node in fleet.nodes:
        facts: dict[str, object] = {"ansible_host": node.address or node.name, "ansible_port": node.port, "dyno_platform": node.platform}
        if node.user:
            facts["ansible_user"] = node.user
        facts["dyno_tasks"] = [task.number for task in tasks.get(node.name, [])]
        hosts[node.name] = facts
    return {"all": {"hosts": hosts}}


def run(submission: Submission, fleet: Fleet, todo: set[int], remote: str, forks: int, ssh_options: str = "") -> int:
    """Run the playbook over the hosts that have tasks to do; returns Ansible's exit code. Each host goes on by itself whatever others do."""
    if find_spec("ansible") is None:
        raise FleetError("ansible is not installed; install the extra [fleet] (ansible-core)")
    tasks = {node: [task for task in some if task.number in todo] for node, some in assigned(submission, fleet).items()}
    folder = Path(submission.folder)
    path = folder / "inventory.json"
    atomic_write(path, json.dumps(inventory(fleet, tasks), indent=1))
    platforms = {
        platform.name: {"runtime": platform.runtime, "image": platform.image, "command": platform.command}
        for platform in submission.platforms
    }
    facts = {"dyno_folder": str(folder), "dyno_remote": remote, "dyno_results": submission.results, "dyno_submission": submission.name,
             "dyno_platforms": platforms}  # fmt: skip
    words = [
        sys.executable,
        "-m",
        "ansible",
        "playbook",
        "--inventory",
        str(path),
        "--forks",
        str(forks),
        "--extra-vars",
        json.dumps(facts),
        str(PLAYBOOK),
    ]
    if ssh_options:
        words += ["--ssh-common-args", ssh_options, "--scp-extra-args", ssh_options]
    settings = {
        "ANSIBLE_RETRY_FILES_ENABLED": "0",
        "ANSIBLE_NOCOWS": "1",
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_INTERPRETER_PYTHON": "auto_silent",
    }
    return subprocess.run(words, env={**settings, **os.environ, "DYNO_SSH_OPTIONS": ssh_options}).returncode
