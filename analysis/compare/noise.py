"""The noise floor of a host, from two or more identical sweeps (A/A): by how much times differ when nothing has changed.

Replicates within one sweep share its moment: temperature, neighbours, memory layout. What two sweeps differ by beyond that is ``sweep_sd``,
and ``compare`` adds it to the variance that replicates show. What all cells of a sweep have in common is drawn once a sweep, however many
cells there are: two sweeps say little of it, so more is allowed for (Student's t with one degree of freedom); three or four say enough.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.compare import compare, judge
from analysis.errors import FrameError
from analysis.stats.noise_model import Between
from runner import files
from runner.files import atomic_write

LEAST_CELLS = 4
ALPHA = 0.05


@dataclass(frozen=True)
class Floor:
    """Standard deviations and differences are of log time, so 0.01 is 1 %."""

    host: str
    cells: int
    sweeps: int
    process_sd: float  # between processes of one sweep
    sweep_sd: float  # of a cell's ratio between sweeps, beyond what the processes explain
    shared_sd: float  # of the ratio of all cells together, known from as many draws as there are sweeps
    shift: float  # all cells together: median log ratio of the last sweep to the first
    largest: float  # 95 % of cells differ by less
    smallest_effect: float  # what compare can tell from noise with as many replicates: a change below is INCONCLUSIVE at best
    false_verdicts: int  # FASTER or SLOWER without the floor
    unlike: list[dict[str, str]] = field(compare=False)

    @property
    def between(self) -> Between:
        return Between(
            self.sweep_sd,
            (self.cells - 1) * (self.sweeps - 1),
            self.shared_sd,
            self.sweeps - 1,
            self.process_sd,
            self.cells * self.sweeps,
        )


def floor(*frames: pd.DataFrame) -> Floor:
    """Noise floor from two or more sweeps of the same cells; raises FrameError when they are too few or of two hosts."""
    found = compare.compare(frames[0], frames[-1])
    logs = compare.shared_logs(frames)
    if len(logs) < LEAST_CELLS:
        reasons = found.cells["reason"].dropna().value_counts()
        why = f"{reasons.iloc[0]} cells: {reasons.index[0]}" if len(reasons) else "measure the same cells again, into another folder"
        raise FrameError(f"{len(logs)} cells have replicates in all sweeps, {LEAST_CELLS} are needed: {why}")
    hosts = sorted({str(host) for frame in frames for host in frame["host"].dropna()})
    if len(hosts) > 1:
        raise FrameError(f"the sweeps are of {len(hosts)} hosts ({', '.join(hosts)}): a noise floor is one host's")
    squares = sum(float(np.square(log - log.mean()).sum()) for sweeps in logs for log in sweeps)
    process_variance = squares / sum(len(log) - 1 for sweeps in logs for log in sweeps)
    weight = float(np.mean([1 / len(log) for sweeps in logs for log in sweeps]))
    means = np.array([[log.mean() for log in sweeps] for sweeps in logs])  # cells x sweeps
    # What the cells of a sweep have in common, with the chance part of their mean left in, and what each has beyond it and its processes.
    of_cells = means - means.mean(axis=1, keepdims=True)
    common = of_cells.mean(axis=0)
    shared_variance = 2 * float(np.square(common).sum() / (len(frames) - 1))
    degrees = (len(logs) - 1) * (len(frames) - 1)
    own_variance = max(0.0, 2 * (float(np.square(of_cells - common).sum() / degrees) - process_variance * weight))
    effects = means[:, -1] - means[:, 0]
    error = math.sqrt(2 * process_variance * weight + own_variance)
    between = Between(math.sqrt(own_variance), degrees, math.sqrt(shared_variance), len(frames) - 1)
    verdicts = found.counts
    return Floor(
        host=hosts[0] if hosts else "",
        cells=len(logs),
        sweeps=len(frames),
        process_sd=math.sqrt(process_variance),
        sweep_sd=between.sd,
        shared_sd=between.shared_sd,
        shift=float(np.median(effects)),
        largest=float(np.quantile(np.abs(effects), 0.95)),
        smallest_effect=float(
            np.expm1(between.allowance(ALPHA) + 2.8 * error)
        ),  # 1.96 to be significant and 0.84 for a power of 80 %, one cell alone
        false_verdicts=verdicts[judge.FASTER] + verdicts[judge.SLOWER],
        unlike=found.unlike,
    )


def save(found: Floor, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, json.dumps(asdict(found), indent=1) + "\n")


def load(path: Path, host: str | None = None) -> Floor | None:
    """The saved floor, None where there is none or it is another host's; raises FrameError when the file is no floor."""
    if not path.exists():
        return None
    try:
        found = Floor(**json.loads(files.read_text(path)))
        numbers = (found.process_sd, found.sweep_sd, found.shared_sd, found.shift, found.largest, found.smallest_effect)
        if (
            not (found.cells > 1 and found.sweeps > 1)
            or not all(type(number) in (int, float) and math.isfinite(number) for number in numbers)
            or not isinstance(found.host, str)
        ):
            raise ValueError("a number is missing")
    except (OSError, ValueError, TypeError, RecursionError, OverflowError) as error:
        raise FrameError(f"{path}: not a noise floor ({error}): make it again with `dyno noise`") from error
    return found if host is None or found.host == host else None


def beside(records: Iterable[Path]) -> tuple[Floor, ...]:
    """The noise floors of every noise.json beside record files and folders: `dyno noise` writes it next to `records`."""
    folders = {folder.resolve(): None for path in records for folder in (path, path.parent) if folder.is_dir()}
    found = [load(folder / "noise.json") for folder in folders]
    return tuple(floor for floor in found if floor)
