"""Kubernetes: the same tasks as Indexed Jobs, one per array, generated as objects and serialised."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from analysis.fleet.nodes import FleetError
from analysis.fleet.tasks import ANY, Submission, Task
from runner.files import atomic_write

LABEL = "dyno.platform"  # nodes bear it: kubectl label node NAME dyno.platform=cpu
RETRIES = 3
LARGEST = 900 * 1024  # bytes of a ConfigMap's files; the API takes 1 MiB in all


def manifests(submission: Submission, claim: str, indexed: bool = True) -> list[dict[str, Any]]:
    """A ConfigMap with the submission's files, and the Jobs: one per array by index, or one per task where the cluster has no Indexed Jobs (before 1.24)."""
    folder = Path(submission.folder)
    files = {name: (folder / name).read_text() for name in ("tasks.tsv", "task.sh", "matrix.yaml")}
    if sum(map(len, files.values())) > LARGEST:
        raise FleetError(f"{folder}: tasks.tsv and matrix.yaml are too large for a ConfigMap; plan fewer nodes or cells per submission")
    found = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": _metadata(submission, "files"), "data": files}]
    for array, tasks in submission.arrays().items():
        if indexed:
            found.append(_job(submission, array, tasks, claim))
        else:
            found += [_job(submission, f"{array}-{task.number}", [task], claim, indexed=False) for task in tasks]
    return found


def _metadata(submission: Submission, name: str) -> dict[str, Any]:
    return {"name": name_of(f"dyno-{submission.name}-{name}"), "labels": {"app": "dyno", "dyno.submission": submission.name}}


def name_of(text: str) -> str:
    """A name that the API takes: lower case, digits and hyphens, at most 63."""
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in text.lower()).strip("-")
    return plain[:63].rstrip("-")


def _job(submission: Submission, name: str, tasks: Sequence[Task], claim: str, indexed: bool = True) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "template": {
            "metadata": {"labels": {"app": "dyno", "dyno.submission": submission.name}},
            "spec": _pod(submission, tasks, claim, indexed),
        }
    }
    if indexed:
        nodes = sum(platform == tasks[0].platform for _, platform in submission.nodes) if tasks[0].board == ANY else 1
        spec |= {"completions": len(tasks), "parallelism": min(len(tasks), nodes), "completionMode": "Indexed", "backoffLimitPerIndex": RETRIES,
                 "maxFailedIndexes": len(tasks)}  # fmt: skip
    else:
        spec |= {"backoffLimit": RETRIES}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": _metadata(submission, name), "spec": spec}


def _pod(submission: Submission, tasks: Sequence[Task], claim: str, indexed: bool) -> dict[str, Any]:
    """One benchmark at a time per node: pods of this app keep apart, and the device is asked for."""
    first = tasks[0]
    platform = submission.platform(first.platform)
    if platform.runtime == "none" or not platform.image:
        raise FleetError(f"platforms.{platform.name}: Kubernetes runs images; give one")
    selector = {LABEL: platform.name} | ({} if first.board == ANY else {"kubernetes.io/hostname": first.board})
    numbers = " ".join(str(task.number) for task in tasks)
    # an index counts from 0; the numbers of this Job's tasks stand in their order
    pick = (
        f'set -- {numbers}; shift "$JOB_COMPLETION_INDEX"; exec sh /dyno/pod.sh "$1"' if indexed else f"exec sh /dyno/pod.sh {first.number}"
    )
    pick = pick.replace("exec sh /dyno/pod.sh", "run")
    # the container is the image itself, so that of task.sh only the runner's call is left
    script = (
        'run() { line=$(grep -m 1 "^$1\t" /dyno/tasks.tsv); DYNO_TASK=$(printf %s "$line" | cut -f 3); export DYNO_TASK; '
        f'out=/data/tasks/{submission.name}/$1; mkdir -p "$out" /data/cache && '
        'exec dyno run --matrix /dyno/matrix.yaml --results "$out" --cache /data/cache --only "id=$(printf %s "$line" | cut -f 4)"; }; '
    )
    requests = dict(platform.resources)
    container: dict[str, Any] = {
        "name": "dyno",
        "image": platform.image,
        "command": ["sh", "-c", script + pick],
        "env": [{"name": "DYNO_HOST", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "volumeMounts": [{"name": "files", "mountPath": "/dyno", "readOnly": True}, {"name": "results", "mountPath": "/data"}],
    }
    if requests:
        container["resources"] = {"limits": requests, "requests": requests}
    apart = {"labelSelector": {"matchLabels": {"app": "dyno"}}, "topologyKey": "kubernetes.io/hostname"}
    return {
        "restartPolicy": "Never",
        "shareProcessNamespace": True,  # as docker's --init: a process of number 1 would not hear a stop in its first moments
        "securityContext": {"fsGroup": 1000},  # the images' user, where the volume's driver looks at it
        "nodeSelector": selector,
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}},
        "containers": [container],
        "volumes": [
            {"name": "files", "configMap": {"name": _metadata(submission, "files")["name"]}},
            {"name": "results", "persistentVolumeClaim": {"claimName": claim}},
        ],
    }


def write(submission: Submission, claim: str, indexed: bool = True) -> Path:
    """Write kubernetes.yaml into the submission's folder."""
    path = Path(submission.folder) / "kubernetes.yaml"
    atomic_write(path, yaml.safe_dump_all(manifests(submission, claim, indexed), sort_keys=False, width=1000))
    return path
