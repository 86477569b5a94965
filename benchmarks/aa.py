"""Two sweeps of this machine in which nothing changed: does `dyno compare` say so, and what would it find?

    python benchmarks/aa.py [--profile quick] [--percent 10] [--folder FOLDER]

Runs `dyno run` twice, or compares the sweeps that FOLDER already holds, and prints how far the sweeps and their replicates were apart, the
verdicts by replicates alone and by `dyno compare`, what it finds once every second cell of the second sweep is made slower by the percentage
(its measured times are multiplied), and what the same number of simulated sweeps with this noise would find.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from analysis.compare import compare, judge
from analysis.frame.columns import CELL
from analysis.merge import table as merging

ROOT = Path(__file__).resolve().parents[1]
SIMULATED = 200


def measure(folder: Path, profile: str) -> None:
    command = [sys.executable, "-m", "runner", "run", "--matrix", str(ROOT / "matrix.yaml"), "--profile", profile]
    subprocess.run([*command, "--results", str(folder), "--cache", str(folder.parent / "cache")], cwd=ROOT, check=True)


def merged(folder: Path) -> pd.DataFrame:
    return merging.merge([str(folder / "records")]).frame


def slower(frame: pd.DataFrame, cells: set, percent: float) -> pd.DataFrame:
    """The frame with the times of these cells multiplied; anchors stay."""
    factor = [1 + percent / 100 if key in cells and role == "cell" else 1.0 for key, role in zip(keys(frame), frame["role"], strict=True)]
    medians = [tuple(np.multiply(times, by)) for times, by in zip(frame["replicate_medians_s"], factor, strict=True)]
    return frame.assign(replicate_medians_s=medians, latency_s=frame["latency_s"] * factor)


def keys(frame: pd.DataFrame) -> list[tuple]:
    return list(frame[list(CELL)].itertuples(index=False, name=None))


def simulated(frame: pd.DataFrame, rng: np.random.Generator, sd: float, shared: float) -> pd.DataFrame:
    """The sweep with as many replicates as it has, drawn anew: each of its own moment, and all drifted by the same."""
    drift = shared * rng.standard_normal()
    draws = [
        tuple(np.exp(np.log(times).mean() + drift + sd * rng.standard_normal(len(times)))) if len(times) else times
        for times in frame["replicate_medians_s"]
    ]
    return frame.assign(replicate_medians_s=draws)


def verdicts(a: pd.DataFrame, b: pd.DataFrame) -> dict[tuple, str]:
    table = compare.compare(a, b).cells
    return dict(zip(keys(table), table["verdict"], strict=True))


def share(found: dict[tuple, str], cells: set, *wanted: str) -> str:
    hits = sum(found[cell] in wanted for cell in cells)
    return f"{hits} of {len(cells)}"


def alone(pairs: list[tuple[np.ndarray, np.ndarray]]) -> int:
    """Cells whose replicates alone, by Welch's t test at 5 %, would be called faster or slower."""
    return sum(stats.ttest_ind(a, b, equal_var=False).pvalue < 0.05 for a, b in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--percent", type=float, default=10.0)
    parser.add_argument("--folder", type=Path, help="with the sweeps a and b, measured where they are not there")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="aa"))
    for side in ("a", "b"):
        if not (folder / side / "records").is_dir():
            measure(folder / side, given.profile)
    a, b = (merged(folder / side) for side in ("a", "b"))
    found = verdicts(a, b)
    sides = [dict(zip(keys(one), one["replicate_medians_s"], strict=True)) for one in (a[a["role"] == "cell"], b[b["role"] == "cell"])]
    shared = [cell for cell in found if all(len(side.get(cell, ())) > 1 for side in sides)]
    pairs = [tuple(np.log(side[cell]) for side in sides) for cell in shared]
    ratios = np.array([second.mean() - first.mean() for first, second in pairs])
    within = np.sqrt(np.mean([side.var(ddof=1) for pair in pairs for side in pair]))
    drift = compare.drift(a, b)
    print(f"{len(found)} cells, {len(shared)} with replicates on both sides; reservations: {reserved(a)} in A, {reserved(b)} in B")
    print(f"between replicates of a cell: sd {100 * within:.1f} %; between the sweeps: {100 * ratios.mean():+.1f} % on average,")
    print(f"sd of the cells {100 * ratios.std(ddof=1):.1f} %; by the anchors {100 * drift:+.1f} %")
    print(f"nothing changed: by replicates alone {alone(pairs)} of {len(pairs)} differ; compare says {counted(found)}")
    planted = set(shared[::2])
    kept = set(shared) - planted
    now = verdicts(a, slower(b, planted, given.percent))
    print(f"{given.percent:g} % planted into {len(planted)}: found {share(now, planted, judge.SLOWER)}, ", end="")
    print(f"false {share(now, kept, judge.SLOWER, judge.FASTER)} of the others")
    rng = np.random.default_rng(0)
    hits = false = 0
    for _ in range(SIMULATED):
        one, other = (simulated(a, rng, within, abs(ratios.mean()) / np.sqrt(2)) for _ in range(2))
        drawn = verdicts(one, slower(other, planted, given.percent))
        hits += sum(drawn[cell] == judge.SLOWER for cell in planted)
        false += sum(drawn[cell] in (judge.SLOWER, judge.FASTER) for cell in kept)
    print(f"{SIMULATED} simulated pairs of sweeps with that noise: found {hits / SIMULATED / len(planted):.0%}, ", end="")
    print(f"false {false / SIMULATED / max(len(kept), 1):.1%}")


def reserved(frame: pd.DataFrame) -> str:
    cells = frame[(frame["role"] == "cell") & (frame["status"] == "ok")]
    return f"{sum(bool(labels) for labels in cells['quality'])} of {len(cells)}"


def counted(found: dict[tuple, str]) -> str:
    return ", ".join(f"{name} {list(found.values()).count(name)}" for name in judge.VERDICTS)


if __name__ == "__main__":
    main()
