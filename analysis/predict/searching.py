"""A search for real: what records say of the candidates, and what to measure next."""

import functools
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from analysis.frame.frame import latest_cells
from analysis.predict import path, predictor, public, search
from analysis.predict.blend import Source
from analysis.predict.candidates import Candidate, nets
from analysis.predict.contenders import unlike
from analysis.predict.limits import Limits
from analysis.predict.search import Choice, Pool, Seen
from analysis.predict.tables import untagged
from runner.files import atomic_write

REPLICATES = 3  # of the answer and of those near it
PROTOCOL_OF_STEP = {"max_time_s": 2.0, "warmup_max_s": 1.0, "min_time_s": 0.3, "quiet_wait_s": 5.0, "contention_retries": 1,
                    "anchor_from": 0, "cache_limit_gb": 4.0}  # fmt: skip
DEVICES = ("cpu", "gpu", "dla", "npu", "myriad")
ARM_FAILS = 4  # an arm that failed so often and never worked is given up
NEAR = 0.3  # points of Top-1 within which a runner-up is named
CLOSE, BUSY = (
    1.1,
    2.0,
)  # times over the limit from which a network may come back below it when measured once more; BUSY: it had busy neighbours


@dataclass(frozen=True)
class Arm:
    """A way to run a network."""

    backend: str
    precision: str
    device: str

    def __str__(self) -> str:
        return f"{self.backend} {self.precision}"


@dataclass(frozen=True)
class Task:
    """What is searched: candidates, arms, limits, batch size."""

    candidates: tuple[Candidate, ...]
    arms: tuple[Arm, ...]
    limits: Limits
    batch_size: int

    @property
    def id(self) -> str:
        """What this search's lines in the path bear."""
        return path.search_id({"limits": asdict(self.limits), "arms": [asdict(arm) for arm in self.arms], "batch_size": self.batch_size})

    @functools.cached_property
    def pool(self) -> Pool:
        """Every candidate in every arm: row = arm x candidates + candidate."""
        count = len(self.candidates)
        one, rows = nets(list(self.candidates), self.batch_size), np.tile(np.arange(count), len(self.arms))
        return Pool(one[rows], np.array([c.top1 for c in self.candidates])[rows], np.repeat(np.arange(len(self.arms)), count))

    def of(self, row: int) -> tuple[Candidate, Arm]:
        """Candidate and arm of a row of the pool."""
        arm, candidate = divmod(row, len(self.candidates))
        return self.candidates[candidate], self.arms[arm]

    def key(self, row: int) -> path.Key:
        """What a row is found by in records and in the path."""
        candidate, arm = self.of(row)
        return candidate.model, candidate.input_px, arm.backend, arm.precision

    def keys(self, row: int) -> list[path.Key]:
        """The same under every name of the very same graph (resnet50 of torchvision and of timm)."""
        candidate, arm = self.of(row)
        return [(name, candidate.input_px, arm.backend, arm.precision) for name in candidate.names]

    def named(self, row: int) -> str:
        """A row in words."""
        candidate, arm = self.of(row)
        return f"{candidate.model} at {candidate.input_px} px in {arm}"


@dataclass(frozen=True)
class State:
    """What is known of a task: rows with their records, rows that failed with their reason, and the next choice."""

    task: Task
    pool: Pool
    seen: Seen
    records: dict[int, dict[str, Any]]
    reasons: dict[int, str]
    choice: Choice

    def met(self, row: int) -> bool:
        """Whether a row was measured and meets all limits."""
        return row in self.records and row in self.seen.rows and bool(self.choice.chance[row] > 0)


def state(task: Task, frame: pd.DataFrame | None, left_out: Collection[path.Key] = (), twice: Collection[path.Key] = ()) -> State:
    """The State from a frame (None: nothing measured yet). `left_out`: cells that were tried and can't run here unless a record says otherwise.

    What missed the limit beside busy neighbours teaches nothing and stays open, until it was asked for `twice`.
    """
    pool = task.pool
    number = {key: row for row in range(len(pool)) for key in task.keys(row)}
    records: dict[int, dict[str, Any]] = {}
    reasons: dict[int, str] = {}
    for record in _rows(frame, task):
        row = number.get((untagged(str(record["model"])), int(record["input_px"]), record["backend"], record["precision"]))
        if row is None:
            continue
        if record["status"] == "ok" and record["latency_s"] > 0:
            records[row] = record
            reasons.pop(row, None)
        elif row not in records:
            reasons[row] = str(record["reason"] or record["status"])
    for cell in left_out:
        row = number.get(cell)
        if row is not None and row not in records and row not in reasons:
            reasons[row] = "left out by the matrix or the device"
    worked = {int(pool.arm[row]) for row in records}
    for arm in range(len(task.arms)):
        failed = [row for row in reasons if pool.arm[row] == arm]
        if arm not in worked and len(failed) >= ARM_FAILS:
            reasons |= {
                int(row): f"{task.arms[arm]} never worked here" for row in np.flatnonzero(pool.arm == arm) if int(row) not in reasons
            }
    limit = task.limits.latency_s if task.limits.latency_s is not None else np.inf
    open_ = {row for row, record in records.items() if record["contended"] and record["latency_s"] > limit and task.key(row) not in twice}
    rows = np.array(sorted(records.keys() - open_), int)
    times = np.array([float(records[row]["latency_s"]) for row in rows])
    seen = Seen(rows, times, np.array(sorted(reasons), int), np.array([_others_met(records[row], task.limits) for row in rows], bool))
    choice = search.choose(pool, seen, limit, _sources(task), _other_chance(pool, records, task.limits))
    return State(task, pool, seen, records, reasons, choice)


def _rows(frame: pd.DataFrame | None, task: Task) -> list[dict[str, Any]]:
    if frame is None or frame.empty:
        return []
    mine = latest_cells(frame)
    mine = mine[mine["batch_size"].eq(task.batch_size) & mine["device"].eq(task.arms[0].device) & mine["scenario"].eq("latency")]
    return mine.to_dict("records")


def _sources(task: Task) -> list[Source]:
    return [m.source(public.unlike(m, task.arms[0].device, task.batch_size)) for m in public.machines()]


def _others_met(record: dict[str, Any], limits: Limits) -> bool:
    """A limit on what was not measured is not met, nor is a published Top-1 that of outputs which don't agree with fp32's: nothing is taken for granted."""
    return not unlike(record) and all(
        float(record[name]) <= limit for name, limit in limits.given().items() if name in ("memory_mb", "energy_j")
    )


def _other_chance(pool: Pool, records: dict[int, dict[str, Any]], limits: Limits) -> np.ndarray | None:
    """Chance of each row to meet the limits on memory and energy, by predictors of the measured ones; 1 before there are enough of those."""
    chance: np.ndarray | None = None
    for name in ("memory_mb", "energy_j"):
        limit = limits.given().get(name)
        has = [row for row in records if limit and float(records[row][name]) > 0]
        if limit is None or len(has) < predictor.FEWEST + 1:
            continue
        share = pool.nets.batch if name == "energy_j" else np.ones(len(pool))
        got = predictor.train(
            pool.nets[has], np.array([float(records[row][name]) for row in has]) * share[has], name == "energy_j"
        ).predict(pool.nets)
        sd = np.maximum(np.log(got.high / np.maximum(got.low, 1e-12)) / 2 / search.Z90, search.LEAST_SD)
        now = search.stats.t.cdf((np.log(limit * share) - np.log(got.value)) / sd, search.FREEDOM)
        chance = now if chance is None else chance * now
    return chance


def again(now: State) -> int | None:
    """The row to measure once more: of the answer, those near it and those near the limit, the one with fewest replicates; None when all have REPLICATES.

    What a busy machine made miss the limit is measured once more, too, where it would be the answer.
    """
    best, limit = now.choice.best, now.task.limits.latency_s or np.inf
    floor = now.pool.top1[best] - NEAR if best is not None else -np.inf
    reach = {row: BUSY if record["contended"] else CLOSE for row, record in now.records.items()}
    rows = [row for row in now.records if now.pool.top1[row] >= floor and replicates(now, row) < REPLICATES]
    rows = [row for row in rows if float(now.records[row]["latency_s"]) <= reach[row] * limit]
    return min(rows, key=lambda row: (row != best, replicates(now, row), -now.pool.top1[row]), default=None)


def lacking(now: State) -> int:
    """How many replicates the best one lacks."""
    return 0 if now.choice.best is None else max(REPLICATES - replicates(now, now.choice.best), 0)


def replicates(now: State, row: int) -> int:
    """How many processes measured a row."""
    return int(now.records[row]["n_replicates"])


def matrix(task: Task, row: int, count: int, arms: Sequence[Arm] = ()) -> str:
    """matrix.yaml of one cell with so many replicates, for `dyno run`; with `arms`, of the row's network in all of these."""
    candidate, arm = task.of(row)
    backends, precisions = (list(dict.fromkeys(names)) for names in zip(*((a.backend, a.precision) for a in arms or [arm]), strict=True))
    axes = {"backend": backends, "model": [candidate.model], "precision": precisions, "batch_size": [task.batch_size],
            "input_px": [candidate.input_px], "scenario": ["latency"]}  # fmt: skip
    others = [device for device in DEVICES if device != arm.device]
    exclude = [{"when": {"device": others}, "reason": f"the search is for {arm.device}"}]
    return yaml.safe_dump({"protocol": PROTOCOL_OF_STEP | {"replicates": count}, "axes": axes, "exclude": exclude}, sort_keys=False)


def write(text: str, results: Path) -> Path:
    """Write the matrix of the next step below the results; returns where."""
    file = results / "search" / "next.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(file, text)
    return file


def complaint(said: str) -> str:
    """The last line that a child process said of a matrix of ours, in the words of the options it was made from."""
    line = (said.strip().splitlines() or ["it said nothing"])[-1].removeprefix("dyno: ")
    return f"--{line.removeprefix('next.yaml: axes.')}" if line.startswith("next.yaml: axes.") else f"dyno run: {line}"
