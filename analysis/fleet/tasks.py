"""From a matrix and nodes to tasks: a task is one round of a block of cells, with the anchor, on one node."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from analysis.fleet.nodes import Fleet, FleetError, Platform
from runner import files
from runner.files import atomic_write

ANY = "any"  # board of a task that any node of the kind may do
MOST_TASKS = 100_000  # of a platform: engines have less room for an array
BLOCK_S = 600.0  # what a block is filled to: 5 to 20 minutes keep a lost one cheap


@dataclass(frozen=True)
class Task:
    """One round of a block of cells. board: the node that it is pinned to, or ANY; `seconds` is the plan's estimate."""

    number: int
    submission: str
    platform: str
    board: str
    round: int
    block: int
    cells: tuple[str, ...]
    seconds: float

    def as_text(self) -> str:
        """What the runner copies into every line (DYNO_TASK)."""
        facts = {"submission": self.submission, "platform": self.platform, "board": self.board, "round": self.round, "block": self.block}
        return json.dumps(facts, separators=(",", ":"))

    @property
    def array(self) -> str:
        """Tasks that one array or Job holds: those of a platform that go anywhere, and those of one node."""
        return self.platform if self.board == ANY else f"{self.platform}-{self.board}"


@dataclass(frozen=True)
class Submission:
    """The tasks, and all that running them needs. folder: where it lies, seen by every node; results: as the nodes see it."""

    name: str
    folder: str
    results: str
    platforms: tuple[Platform, ...]
    nodes: tuple[tuple[str, str], ...]  # name, platform
    tasks: tuple[Task, ...]

    def platform(self, name: str) -> Platform:
        """The platform of that name."""
        return next(platform for platform in self.platforms if platform.name == name)

    def arrays(self) -> dict[str, list[Task]]:
        """Tasks by array, each in their order."""
        found: dict[str, list[Task]] = {}
        for task in self.tasks:
            found.setdefault(task.array, []).append(task)
        return found


@dataclass(frozen=True)
class PlannedCell:
    """A cell of `dyno plan`."""

    id: str
    scenario: str
    seconds: float


def planned(platform: Platform, matrix: str, profile: str | None, only: Sequence[str]) -> list[PlannedCell]:
    """The cells of a platform in their order, asked of the runner (`dyno plan`)."""
    words = [sys.executable, "-m", "runner", "plan", "--json", "--matrix", matrix]
    words += ["--profile", profile] if profile else []
    words += [word for expression in only for word in ("--only", expression)]
    nowhere = {"DYNO_PLATFORM": platform.name, "DYNO_DEVICES": ",".join(platform.devices), "DYNO_RESULTS": os.devnull, "DYNO_TASK": ""}
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **nowhere})
    if done.returncode:
        raise FleetError((done.stderr.strip() or "dyno plan failed").splitlines()[-1].removeprefix("dyno: "))
    return [PlannedCell(cell["id"], cell["scenario"], cell["estimate_s"]) for cell in json.loads(done.stdout)["cells"]]


def one_round(text: str) -> str:
    """A matrix that measures each cell once per run, whatever its profiles say; one that is no YAML stays as it is, for the runner to say what is wrong."""
    try:
        tree = yaml.safe_load(text)
        protocols = [
            tree.setdefault("protocol", {}),
            *(profile.setdefault("protocol", {}) for profile in tree.get("profiles", {}).values()),
        ]
        for protocol in protocols:
            protocol["replicates"] = 1
    except (yaml.YAMLError, AttributeError, TypeError):
        return text
    return "# One round per task, by `dyno fleet plan --rounds`: the merge joins the rounds of a board.\n" + yaml.safe_dump(
        tree, sort_keys=False
    )


def blocks(cells: Sequence[PlannedCell], block_s: float = BLOCK_S) -> list[list[PlannedCell]]:
    """The cells in their order, cut where a block would grow beyond block_s."""
    found: list[list[PlannedCell]] = []
    for cell in cells:
        if not found or sum(one.seconds for one in found[-1]) + cell.seconds > block_s:
            found.append([])
        found[-1].append(cell)
    return found


def make(
    fleet: Fleet, cells: dict[str, list[PlannedCell]], submission: str, rounds: int, boards: int, block_s: float = BLOCK_S
) -> list[Task]:
    """The tasks of a submission; `boards`: on how many nodes of its kind each block is measured (1: wherever there is room).

    Block 0 is the anchor alone on every node, so that nodes can be compared; the anchor is in every other block too.
    """
    tasks: list[Task] = []

    def add(platform: str, board: str, turn: int, block: int, some: Sequence[PlannedCell]) -> None:
        number = len(tasks) + 1
        tasks.append(
            Task(number, submission, platform, board, turn, block, tuple(cell.id for cell in some), sum(cell.seconds for cell in some))
        )

    for platform, planned_cells in cells.items():
        nodes = fleet.of(platform)
        if not nodes:
            continue
        if boards > len(nodes):
            raise FleetError(f"--boards {boards}: there are {len(nodes)} nodes of {platform}; give at most so many")
        count = rounds * boards * len(blocks(planned_cells, block_s))
        if count > MOST_TASKS:
            raise FleetError(
                f"--rounds {rounds}: {count:,} tasks of {platform}; give at most {MOST_TASKS:,} (fewer rounds, or a longer --block)"
            )
        anchor = min(planned_cells, key=lambda cell: (cell.scenario != "latency", cell.seconds, cell.id))
        for node in nodes:
            add(platform, node.name, 1, 0, [anchor])
        for turn in range(1, rounds + 1):
            for number, block in enumerate(blocks(planned_cells, block_s), 1):
                whole = block if anchor in block else [anchor, *block]
                if boards == 1:
                    add(platform, ANY, turn, number, whole)
                for replica in range(boards if boards > 1 else 0):  # each block begins on another node, so that work is spread
                    add(platform, nodes[(number - 1 + replica) % len(nodes)].name, turn, number, whole)
    if not tasks:
        kinds = ", ".join(sorted({node.platform for node in fleet.nodes}))
        raise FleetError(
            f"nothing to do: the matrix, the profile and --only leave no cell for {kinds}; `dyno plan` shows what they leave"
            if kinds
            else "nothing to do: no node is named; write some under nodes, or take Slurm's by --sinfo"
        )
    return tasks


def is_left_over(place: Path) -> bool:
    """Whether a folder is what a killed `fleet plan` left: files of a submission without the plan, which is written last."""
    names = {path.name for path in place.iterdir()} if place.is_dir() else {""}
    return "plan.json" not in names and all(
        name in ("matrix.yaml", "tasks.tsv", "task.sh", "logs") or name.endswith((".sbatch", ".part")) for name in names
    )


def save(submission: Submission) -> Path:
    """Write plan.json, last of a submission's files; returns its path."""
    path = Path(submission.folder) / "plan.json"
    atomic_write(path, json.dumps(asdict(submission), indent=1))
    return path


def load(folder: str | Path) -> Submission:
    """The submission of a folder; FleetError where there is none."""
    path = Path(folder) / "plan.json"
    try:
        stored = json.loads(files.read_text(path))
        platforms = tuple(
            Platform(**{**one, "devices": tuple(one["devices"]), "resources": tuple(map(tuple, one["resources"]))})
            for one in stored["platforms"]
        )
        tasks = tuple(Task(**{**one, "cells": tuple(one["cells"])}) for one in stored["tasks"])
        return Submission(stored["name"], stored["folder"], stored["results"], platforms, tuple(map(tuple, stored["nodes"])), tasks)
    except OSError as error:
        raise FleetError(f"{path}: can't be read: {error.strerror}; `dyno fleet plan` writes it")
    except (ValueError, KeyError, TypeError):
        raise FleetError(f"{path}: no plan of `dyno fleet`; make it anew")
