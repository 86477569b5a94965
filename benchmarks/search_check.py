"""Was the search's answer the best? Measures the unmeasured networks that were most likely to beat it.

    python benchmarks/search_check.py RESULTS [--networks 30] [--backend onnxruntime] [--budget 8m] [--candidates mine.csv [--only-candidates]]

RESULTS is the folder of a `dyno search` on this machine; its last search is checked. Of the networks that it left unmeasured, those more than 0.3 points
more accurate than its answer are taken, the most likely to meet the limits first, in the backend of the answer unless another is named. `dyno run` measures each
once, and those near the limit twice more, into RESULTS/check; run again, it goes on. Exits 0 where none that meets the limits is better by more than 0.3 points,
1 where one is, 2 where nothing can be checked.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from analysis.errors import FrameError
from analysis.predict import candidates, drive, path, searching
from analysis.predict.limits import Limits
from analysis.predict.search import GAIN
from analysis.predict.searching import Arm, State, Task

PROTOCOL = searching.PROTOCOL_OF_STEP | {"max_time_s": 1.2, "quiet_wait_s": 3.0}
NEAR = 1.1  # times the limit up to which a network is measured by REPLICATES processes
REPLICATES = 3


@dataclass(frozen=True)
class Verdict:
    """Rows of the check that were measured: those that refute the answer, and those that only a quiet machine can judge; and how many failed."""

    measured: tuple[int, ...]
    better: tuple[int, ...]
    undecided: tuple[int, ...]
    failed: int


def last_search(results: Path, known: Sequence[candidates.Candidate]) -> Task:
    """The Task of the last search of a folder; raises FrameError where there is none."""
    lines = [line for line in path.lines(results) if line["event"] == path.ASKED]
    if not lines:
        raise FrameError(f"{path.file_in(results)}: no search; `dyno search --max-latency-ms 40 --results {results}` makes one")
    mine = [line for line in lines if line["search"] == lines[-1]["search"]]
    arms = dict.fromkeys(Arm(line["backend"], line["precision"], line["device"]) for line in mine)
    return Task(tuple(known), tuple(arms), Limits(**mine[-1]["limits"]), int(mine[-1]["batch_size"]))


def picks(now: State, count: int, backend: str | None = None) -> list[int]:
    """Rows of the pool that could refute the answer, the likeliest first."""
    best = now.choice.best
    arm = (
        now.pool.arm[best]
        if best is not None
        else now.pool.arm[max(now.records, key=lambda row: searching.replicates(now, row), default=0)]
    )
    arms = [i for i, one in enumerate(now.task.arms) if one.backend == backend] if backend else [arm]
    if not arms:
        raise FrameError(f"--backend {backend}: not searched; choose from {', '.join(one.backend for one in now.task.arms)}")
    floor = now.pool.top1[best] + GAIN if best is not None else -np.inf
    better = np.flatnonzero(np.isin(now.pool.arm, arms) & (now.pool.top1 > floor))
    rows = [int(row) for row in better if row not in now.records and row not in now.reasons]
    return sorted(rows, key=lambda row: (-now.choice.chance[row], now.choice.mean[row]))[:count]


def matrix(task: Task, rows: Sequence[int], count: int) -> str:
    """matrix.yaml whose profile `check` measures the rows, each at its input size, with so many replicates."""
    blocks: dict[tuple[str, str, int], list[str]] = {}
    for row in rows:
        candidate, arm = task.of(row)
        blocks.setdefault((arm.backend, arm.precision, candidate.input_px), []).append(candidate.model)
    axes = [{"backend": [backend], "model": models, "precision": [precision], "batch_size": [task.batch_size], "input_px": [px], "scenario": ["latency"]}
            for (backend, precision, px), models in blocks.items()]  # fmt: skip
    others = [device for device in searching.DEVICES if device != task.arms[0].device]
    exclude = [{"when": {"device": others}, "reason": f"the search is for {task.arms[0].device}"}]
    tree: dict[str, Any] = {
        "profiles": {"check": {"protocol": PROTOCOL | {"replicates": count, "max_replicates": count}, "axes": axes}},
        "exclude": exclude,
    }
    return yaml.safe_dump(tree, sort_keys=False)


def measure(results: Path, task: Task, rows: Sequence[int], count: int, budget_s: float) -> None:
    """Have `dyno run` measure the rows into RESULTS/check, with the networks that the search made."""
    file = results / "check" / f"check{count}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(matrix(task, rows, count), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "runner",
        "run",
        "--matrix",
        str(file),
        "--profile",
        "check",
        "--results",
        str(results / "check"),
        "--cache",
        str(results / "cache"),
    ]
    subprocess.run([*command, *(["--time-budget", f"{budget_s:.0f}s"] if np.isfinite(budget_s) else [])], check=False)


def judge(now: State, after: State, rows: Sequence[int]) -> Verdict:
    """now: after the search; after: of the check's own records."""
    measured = [row for row in rows if row in after.records]
    floor = now.pool.top1[now.choice.best] + GAIN if now.choice.best is not None else -np.inf
    better = tuple(row for row in measured if after.met(row) and now.pool.top1[row] > floor)
    undecided = tuple(row for row in measured if after.records[row]["contended"] and not after.met(row))
    return Verdict(tuple(measured), better, undecided, sum(row in after.reasons for row in rows))


def text(now: State, after: State, rows: Sequence[int], found: Verdict, wall_s: float) -> str:
    """The verdict in words, a line per network first."""
    lines = []
    for row in rows:
        candidate, _ = now.task.of(row)
        if row in after.records:
            record = after.records[row]
            came = f"{1e3 * float(record['latency_s']):6.3g} ms" + (
                "  MEETS THE LIMITS" if row in found.better else "  beside busy neighbours" if row in found.undecided else ""
            )
        else:
            came = after.reasons.get(row, "not measured")
        lines.append(
            f"{now.task.named(row):60} Top-1 {candidate.top1:.1f} %  expected {1e3 * float(np.exp(now.choice.mean[row])):6.3g} ms ({100 * now.choice.chance[row]:.0f} % likely)  {came}"
        )
    best = (
        "no answer"
        if now.choice.best is None
        else f"the answer, {now.task.named(now.choice.best)} with {now.pool.top1[now.choice.best]:.1f} %"
    )
    verdict = (
        f"{len(found.better)} better by more than {GAIN:g} points"
        if found.better
        else f"none that meets the limits is better by more than {GAIN:g} points"
    )
    gaps = [
        f"{len(rows) - len(found.measured) - found.failed} not measured",
        f"{found.failed} can't run here",
        f"{len(found.undecided)} beside busy neighbours",
    ]
    notes = ", ".join(gap for gap in gaps if not gap.startswith("0 "))
    lines.append(
        f"{len(found.measured)} of {len(rows)} measured in {wall_s:.0f} s{f' ({notes})' if notes else ''}; beside {best}: {verdict}"
    )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--networks", type=int, default=30)
    parser.add_argument("--backend")
    parser.add_argument("--budget", default="8m", help="begin no network that would end after this")
    parser.add_argument("--candidates", type=Path, help="as given to the search")
    parser.add_argument("--only-candidates", action="store_true")
    parser.add_argument("--license", choices=["commercial"], help="as given to the search")
    a = parser.parse_args()
    try:
        frame = drive.frame_of(drive.Places(a.results))
        mine = candidates.own(a.candidates, drive.empty_or(frame)) if a.candidates else []
        known = mine + [
            c for c in ([] if a.only_candidates else candidates.catalogued(a.license)) if c.key not in {own.key for own in mine}
        ]
        task = last_search(a.results, known)
        now = searching.state(task, frame)
        rows = picks(now, a.networks, a.backend)
        if not rows:
            print(f"every network that could be better by more than {GAIN:g} points was measured by the search")
            return 0
        began, budget_s = time.monotonic(), drive.seconds(a.budget)
        measure(a.results, task, rows, 1, budget_s)
        after = searching.state(task, drive.frame_of(drive.Places(a.results / "check")))
        limit = task.limits.latency_s or np.inf
        near = [row for row in rows if row in after.records and float(after.records[row]["latency_s"]) <= NEAR * limit]
        left_s = budget_s - (time.monotonic() - began)
        if near and left_s > 0:
            measure(a.results, task, near, REPLICATES, left_s)
            after = searching.state(task, drive.frame_of(drive.Places(a.results / "check")))
    except FrameError as error:
        print(error)
        return 2
    found = judge(now, after, rows)
    print(text(now, after, rows, found, time.monotonic() - began))
    return 2 if not found.measured else int(bool(found.better))


if __name__ == "__main__":
    sys.exit(main())
