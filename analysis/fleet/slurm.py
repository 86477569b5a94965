"""Slurm: plain `sbatch` job arrays, and what `squeue` knows of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.fleet.nodes import FleetError, command
from analysis.fleet.tasks import ANY, Submission, Task

LEAST_MINUTES = 10
MARGIN = 2.0  # of the plan's estimate: a slow board must not be cut off
LIVING = {
    "PENDING",
    "RUNNING",
    "CONFIGURING",
    "COMPLETING",
    "REQUEUED",
    "REQUEUE_FED",
    "REQUEUE_HOLD",
    "SUSPENDED",
    "RESIZING",
    "SIGNALING",
    "STAGE_OUT",
}


@dataclass(frozen=True)
class Job:
    """A task in Slurm's queue."""

    task: int
    state: str
    node: str
    held: str = ""  # its id, where Slurm requeued and holds it (a launch that failed): nobody would start it


def job_name(submission: Submission, array: str) -> str:
    """The job's name, by which its tasks are found whatever number Slurm gave it."""
    return f"dyno-{submission.name}-{array}"


def script(submission: Submission, array: str, tasks: Sequence[Task]) -> str:
    """The sbatch script of one array; its indices are the tasks' numbers."""
    first = tasks[0]
    minutes = max(LEAST_MINUTES, int(MARGIN * max(task.seconds for task in tasks) / 60) + 1)
    pinned = "" if first.board == ANY else f"#SBATCH --nodelist={first.board}\n"
    folder = submission.folder  # without signs that mean something between quotes
    return f"""#!/bin/bash
# {len(tasks)} task(s) of {submission.name} on {first.platform}; submit with: sbatch {array}.sbatch
#SBATCH --job-name={job_name(submission, array)}
#SBATCH --array={indices([task.number for task in tasks])}
#SBATCH --constraint={first.platform}
{pinned}#SBATCH --nodes=1
#SBATCH --exclusive
#SBATCH --requeue
#SBATCH --time={minutes}
#SBATCH --open-mode=append
#SBATCH --output="{folder}/logs/%a.log"
#SBATCH --chdir="{folder}"
# The task is a step's child, so that a time limit or scancel ends it, and it ends its container.
exec "{folder}/task.sh" "$SLURM_ARRAY_TASK_ID"
"""


def indices(numbers: Sequence[int]) -> str:
    """Numbers as Slurm's array has them: 1-3,7."""
    ordered = sorted(numbers)
    runs: list[list[int]] = []
    for number in ordered:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


def write(submission: Submission) -> list[Path]:
    """The scripts of all arrays."""
    folder = Path(submission.folder)
    (folder / "logs").mkdir(exist_ok=True)
    paths = []
    for array, tasks in submission.arrays().items():
        paths.append(folder / f"{array}.sbatch")
        paths[-1].write_text(script(submission, array, tasks))
    return paths


def submit(submission: Submission, tasks: Sequence[Task]) -> list[str]:
    """Submit these tasks; returns Slurm's job ids. What was submitted is noted in jobs.jsonl, which is for people: the queue is what counts.

    An array that Slurm refuses, as one for a node that it no longer has, keeps no other back; FleetError names it after all were tried.
    """
    ids = []
    refused = []
    by_array: dict[str, list[int]] = {}
    for task in tasks:
        by_array.setdefault(task.array, []).append(task.number)
    for array, numbers in by_array.items():
        path = Path(submission.folder) / f"{array}.sbatch"
        if not path.exists():
            raise FleetError(f"{path}: not there; `dyno fleet submit` writes it")
        try:
            answer = command(["sbatch", "--parsable", f"--array={indices(numbers)}", str(path)])
        except FleetError as error:
            refused.append(f"{array} ({indices(numbers)}): {error}")
            continue
        ids.append(answer.strip().split(";")[0])
        with open(Path(submission.folder) / "jobs.jsonl", "a") as notes:
            notes.write(json.dumps({"job": ids[-1], "array": array, "tasks": numbers}) + "\n")
    if refused:
        done = f"{len(ids)} other job(s) submitted" if ids else "nothing submitted"
        raise FleetError(f"{'; '.join(refused)}; {done}; fix it, then `dyno fleet reconcile {submission.folder}`")
    return ids


def queue(submission: Submission) -> dict[int, Job]:
    """The tasks that Slurm has or runs, by number; FleetError where the controller does not answer."""
    names = ",".join(job_name(submission, array) for array in submission.arrays())
    found = {}
    for line in command(["squeue", "--noheader", "--array", "--states=all", f"--name={names}", "--format=%K|%T|%N|%F|%r"]).splitlines():
        index, state, node, job, reason = line.strip().split("|", 4)
        if state in LIVING and index.isdigit():
            held = f"{job}_{index}" if "requeued held" in reason.lower().replace("_", " ") or state == "REQUEUE_HOLD" else ""
            found[int(index)] = Job(int(index), "HELD" if held else state, node, held)
    return found


def release(jobs: Sequence[str]) -> None:
    """Let held jobs go."""
    for job in jobs:
        command(["scontrol", "release", job])


def down() -> dict[str, str]:
    """Nodes that take no work, with their state."""
    lines = command(["sinfo", "--noheader", "--Node", "--format=%N|%T"]).splitlines()
    states = dict(line.strip().split("|") for line in lines if "|" in line)
    return {
        name: state for name, state in states.items() if any(word in state for word in ("down", "drain", "fail", "not_responding", "*"))
    }
