"""What is refused before a search begins, so that nothing is measured or promised first."""

import json
import subprocess
import sys
from pathlib import Path

from analysis import registry
from analysis.errors import FrameError
from analysis.predict import searching
from analysis.predict.limits import Limits
from analysis.predict.searching import Arm, Task
from runner.machine import environment
from runner.program import exits

NOTHING = "noop"  # the backend that runs no network
LEAST_BUDGET_S = 10.0  # below it not one network is measured


def check(task: Task, results: Path, platform: str | None, here: bool, budget_s: float = float("inf"), measured: bool = False) -> None:
    """Raise FrameError where no search can be begun; `here`: on this machine, else on a device reached by other means. measured: records of the platform are there."""
    _limits(task.limits)
    if not task.candidates:
        raise FrameError(
            "no candidates: the file of --candidates names no network"
            if task.limits.top1 is None
            else f"--min-top1 {task.limits.top1:g}: no known network is that accurate (with these licences); lower it"
        )
    if budget_s < LEAST_BUDGET_S:
        raise FrameError(f"--budget: {budget_s:g} s is too short to measure one network; give {LEAST_BUDGET_S:g}s or more, as 15m")
    if any(arm.backend == NOTHING for arm in task.arms):
        raise FrameError(f"--backend {NOTHING}: it runs no network, so there is nothing to search; name a backend that does")
    if task.arms[0].device not in searching.DEVICES:
        raise FrameError(f"--device {task.arms[0].device}: unknown; choose from {', '.join(searching.DEVICES)}")
    planned = _plan(task, results)
    if here:
        _can_run(task, planned["cells"], planned["excluded"], platform)
    elif platform is not None:
        _is_known(platform, measured)


def _limits(limits: Limits) -> None:
    if limits.latency_s is None and limits.memory_mb is None and limits.energy_j is None:
        raise FrameError(
            "a search needs a limit: --max-latency-ms, --max-memory-mb or --max-energy-j; without one the most accurate network wins"
        )


def _plan(task: Task, results: Path) -> dict[str, list[dict[str, str]]]:
    """What `dyno plan` says of the first candidate in every arm."""
    file = searching.write(searching.matrix(task, 0, 1, task.arms), results)
    command = [sys.executable, "-m", "runner", "plan", "--json", "--matrix", str(file), "--results", str(results)]
    child = subprocess.run(command, capture_output=True, text=True)
    if child.returncode != exits.FINE:
        raise FrameError(searching.complaint(child.stderr or child.stdout))
    planned: dict[str, list[dict[str, str]]] = json.loads(child.stdout)
    return planned


def _is_known(platform: str, measured: bool) -> None:
    """Raise FrameError where a platform has neither an image in the checkout nor records, nor is this machine: a mistyped name would be searched for ever."""
    images = registry.images()
    if images and not measured and platform not in (*images, environment.platform_name()):
        raise FrameError(
            f"--platform {platform}: no image and no records have that name; choose from {', '.join(images)}, or bring a record of a platform of your own"
        )


def _can_run(task: Task, cells: list[dict[str, str]], excluded: list[dict[str, str]], platform: str | None) -> None:
    """Raise FrameError where this machine isn't the platform, lacks the device, or can't run one of the arms there."""
    found = {cell["platform"] for cell in [*cells, *excluded]}
    if platform is not None and found and platform not in found:
        raise FrameError(
            f"--platform {platform}: this machine is {', '.join(sorted(found))}; `make search-{platform}`, or --next prints what to measure there"
        )
    runs = {Arm(cell["backend"], cell["precision"], cell["device"]) for cell in cells}
    for arm in task.arms:
        if arm in runs:
            continue
        why = [
            one["reason"]
            for one in excluded
            if (one["backend"], one["precision"], one["device"]) == (arm.backend, arm.precision, arm.device)
        ]
        reason = why[0] if why else f"this machine has no {arm.device}"
        raise FrameError(f"{arm} on {arm.device}: {reason}; choose another --backend or --device (`dyno doctor` says what there is)")
