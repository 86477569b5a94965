"""Slurm: plain `sbatch` job arrays, and what `squeue` knows of them."""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from analysis.fleet.nodes import FleetError, command
from analysis.fleet.tasks import ANY, Submission, Task
from analysis.frame.words import plural
from runner.files import atomic_write

LEAST_MINUTES = 10
PIECE = 1000  # indices of a job array: Slurm takes those below its MaxArraySize, which is 1001 where nobody raised it
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


def piece_of(array: str, piece: int) -> str:
    """What the script and the job of a piece of an array are called: "cpu", and "cpu+2" for the tasks 2000 to 2999."""
    return f"{array}+{piece}" if piece else array


def job_name(submission: Submission, array: str, piece: int = 0) -> str:
    """The job's name, by which its tasks are found whatever number Slurm gave it."""
    return f"dyno-{submission.name}-{piece_of(array, piece)}"


def pieces(numbers: Iterable[int]) -> dict[int, list[int]]:
    """Tasks' numbers by thousand, as indices of arrays that Slurm takes."""
    found: dict[int, list[int]] = {}
    for number in sorted(numbers):
        found.setdefault(number // PIECE, []).append(number % PIECE)
    return found


def script(submission: Submission, array: str, tasks: Sequence[Task], piece: int = 0) -> str:
    """The sbatch script of tasks of an array that have their thousand in common; its indices are their numbers within it."""
    first = tasks[0]
    name = piece_of(array, piece)
    number, log = ("$SLURM_ARRAY_TASK_ID", "%a") if piece == 0 else (f"$(({PIECE * piece} + SLURM_ARRAY_TASK_ID))", f"{piece}%3a")
    minutes = max(LEAST_MINUTES, int(MARGIN * max(task.seconds for task in tasks) / 60) + 1)
    pinned = "" if first.board == ANY else f"#SBATCH --nodelist={first.board}\n"
    folder = submission.folder  # without signs that mean something between quotes
    return f"""#!/bin/bash
# {plural(len(tasks), "task")} of {submission.name} on {first.platform}; submit with: sbatch {name}.sbatch
#SBATCH --job-name={job_name(submission, array, piece)}
#SBATCH --array={indices([task.number % PIECE for task in tasks])}
#SBATCH --constraint={first.platform}
{pinned}#SBATCH --nodes=1
#SBATCH --exclusive
#SBATCH --requeue
#SBATCH --time={minutes}
#SBATCH --open-mode=append
#SBATCH --output="{folder}/logs/{log}.log"
#SBATCH --chdir="{folder}"
# The task is a step's child, so that a time limit or scancel ends it, and it ends its container.
exec "{folder}/task.sh" "{number}"
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
    """The scripts of all arrays, one per thousand of the tasks' numbers."""
    folder = Path(submission.folder)
    (folder / "logs").mkdir(exist_ok=True)
    paths = []
    for array, tasks in submission.arrays().items():
        for piece in pieces(task.number for task in tasks):
            paths.append(folder / f"{piece_of(array, piece)}.sbatch")
            atomic_write(paths[-1], script(submission, array, [task for task in tasks if task.number // PIECE == piece], piece))
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
    cut = [(array, piece, some) for array, numbers in by_array.items() for piece, some in pieces(numbers).items()]
    for array, piece, some in cut:
        path = Path(submission.folder) / f"{piece_of(array, piece)}.sbatch"
        numbers = [PIECE * piece + index for index in some]
        if not path.exists():
            raise FleetError(f"{path}: not there; `dyno fleet plan` writes it")
        try:
            answer = command(["sbatch", "--parsable", f"--array={indices(some)}", str(path)])
        except FleetError as error:
            refused.append(f"{array} ({indices(numbers)}): {error}")
            continue
        ids.append(answer.strip().split(";")[0])
        with suppress(OSError), open(Path(submission.folder) / "jobs.jsonl", "a") as notes:  # a full disk keeps no other array back
            notes.write(json.dumps({"job": ids[-1], "array": array, "tasks": numbers}) + "\n")
    if refused:
        done = f"{plural(len(ids), 'other job')} submitted" if ids else "nothing submitted"
        raise FleetError(f"{'; '.join(refused)}; {done}; fix it, then `dyno fleet reconcile {submission.folder}`")
    return ids


def queue(submission: Submission) -> dict[int, Job]:
    """The tasks that Slurm has or runs, by number; FleetError where the controller does not answer."""
    arrays = {job_name(submission, array) for array in submission.arrays()}
    found = {}
    # all jobs are asked for: the names of thousands of arrays are more than a command line takes
    for line in command(["squeue", "--noheader", "--array", "--states=all", "--format=%K|%T|%N|%F|%r|%j"]).splitlines():
        index, state, node, job, reason, name = line.strip().split("|", 5)
        array, _, piece = name.partition("+")
        piece = piece or "0"
        if array in arrays and state in LIVING and index.isdigit() and piece.isdigit():
            number = PIECE * int(piece) + int(index)
            held = f"{job}_{index}" if "requeued held" in reason.lower().replace("_", " ") or state == "REQUEUE_HOLD" else ""
            found[number] = Job(number, "HELD" if held else state, node, held)
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
