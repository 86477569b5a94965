"""The noise floor of a host, from two identical sweeps (A/A): by how much times differ when nothing has changed.

Replicates within one sweep share its moment: temperature, neighbours, memory layout. What two sweeps differ by beyond that is ``sweep_sd``,
and ``compare`` adds it to the variance that replicates show.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import compare
from analysis.frame import FrameError

LEAST_CELLS = 4


@dataclass(frozen=True)
class Floor:
    """Standard deviations and differences are of log time, so 0.01 is 1 %."""

    host: str
    cells: int
    process_sd: float  # between processes of one sweep
    sweep_sd: float  # between sweeps, beyond what the processes explain
    shift: float  # all cells together: median log ratio of the second sweep to the first
    largest: float  # 95 % of cells differ by less
    smallest_effect: float  # what compare can tell from noise with as many replicates: a change below is INCONCLUSIVE at best
    false_verdicts: int  # FASTER or SLOWER without the floor
    unlike: list[dict[str, str]] = field(compare=False)


def floor(frame_a: pd.DataFrame, frame_b: pd.DataFrame) -> Floor:
    """Noise floor from two sweeps of the same cells; raises FrameError when they are too few or of two hosts."""
    table = compare.compare(frame_a, frame_b)
    use = table[np.isfinite(table["p_differs"])]
    if len(use) < LEAST_CELLS:
        reasons = table["reason"].dropna().value_counts()
        why = f"{reasons.iloc[0]} cells: {reasons.index[0]}" if len(reasons) else "measure the same cells twice, into two folders"
        raise FrameError(f"{len(use)} cells have replicates on both sides, {LEAST_CELLS} are needed: {why}")
    hosts = sorted({str(host) for frame in (frame_a, frame_b) for host in frame["host"].dropna()})
    if len(hosts) > 1:
        raise FrameError(f"the sweeps are of {len(hosts)} hosts ({', '.join(hosts)}): a noise floor is one host's")
    effects = np.log(use["ratio"].to_numpy())
    weights = 1 / use["replicates_a"].to_numpy() + 1 / use["replicates_b"].to_numpy()
    variances = np.square(use["process_sd"].to_numpy())
    process_variance = float(np.mean(variances))
    sweep_variance = max(0.0, float(np.mean(np.square(effects) - variances * weights)))
    error = np.sqrt(process_variance * float(np.median(weights)) + sweep_variance)
    verdicts = compare.counts(table)
    return Floor(
        host=hosts[0] if hosts else "",
        cells=len(use),
        process_sd=float(np.sqrt(process_variance)),
        sweep_sd=float(np.sqrt(sweep_variance)),
        shift=float(np.median(effects)),
        largest=float(np.quantile(np.abs(effects), 0.95)),
        smallest_effect=float(np.expm1(2.8 * error)),  # 1.96 to be significant and 0.84 for a power of 80 %, one cell alone
        false_verdicts=verdicts[compare.FASTER] + verdicts[compare.SLOWER],
        unlike=table.attrs["unlike"],
    )


def save(found: Floor, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")


def load(path: Path, host: str | None = None) -> Floor | None:
    """The saved floor, None where there is none or it is another host's; raises FrameError when the file is no floor."""
    if not path.exists():
        return None
    try:
        found = Floor(**json.loads(path.read_text(encoding="utf-8")))
        numbers = (found.process_sd, found.sweep_sd, found.shift, found.largest, found.smallest_effect)
        if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers) or not isinstance(found.host, str):
            raise ValueError("a number is missing")
    except (OSError, ValueError, TypeError, RecursionError, OverflowError) as error:
        raise FrameError(f"{path}: not a noise floor ({error}): make it again with `python -m analysis calibrate`") from error
    return found if host is None or found.host == host else None


def beside(records: Iterable[Path]) -> tuple[Floor, ...]:
    """The noise floors of every noise.json beside record files and folders: `dyno calibrate` writes it next to `records`."""
    folders = {folder.resolve(): None for path in records for folder in (path, path.parent) if folder.is_dir()}
    found = [load(folder / "noise.json") for folder in folders]
    return tuple(floor for floor in found if floor)
