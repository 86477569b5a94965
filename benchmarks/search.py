"""How far the search ends from the best network there is, after how many measurements, beside simpler ways to choose.

    python benchmarks/search.py DATA_DIR [--seeds 5] [--limits 9] [--most 25] [--only rtx4090] [--without-public]

DATA_DIR holds result files of any machines in timm's form (public_data.py) and results-imagenet.csv. Each file is judged in turn: its times answer the
search's measurements, and limits lie at the 10 % to 90 % quantile of its latencies (per image, at the table's batch size). Sources are the catalogue's
public machines, never the device that is judged, whatever the version. Exits 1 when a target is missed.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from analysis.predict import public, search
from analysis.predict.blend import Source
from analysis.predict.networks import Networks
from benchmarks.public_data import Platform, load

TARGETS = {12: 0.90, 20: 0.99}
WITHIN = 0.3
SECONDS = 1.0
PROMISE = search.DOUBT


def judged(p: Platform, folder: Path) -> tuple[search.Pool, np.ndarray]:
    """The pool of a result file's networks with a published Top-1 (the best of their tags at that size), and their seconds per image."""
    results = pd.read_csv(folder / "results-imagenet.csv")
    results["base"] = results["model"].str.split(".").str[0]
    best = results.groupby(["base", "img_size"])["top1"].max().to_dict()
    top1 = np.array([best.get((base, int(px)), np.nan) for base, px in zip(p.base, p.img, strict=True)])
    rows = np.flatnonzero(np.isfinite(top1))
    n = p.nets[rows]
    names = np.array([f"timm:{base} at {px:.0f} px" for base, px in zip(p.base[rows], p.img[rows], strict=True)], object)
    nets = Networks(n.macs, n.bytes, n.out, n.count, n.params, np.ones(len(n)), names, n.family)
    return search.Pool(nets, top1[rows], np.zeros(len(rows), int)), p.y[rows] / n.batch


def sources(p: Platform, machines: Sequence[public.Machine]) -> list[Source]:
    """Public machines as sources for a judged platform."""
    return [m.source((m.kind == "cpu") != p.is_cpu) for m in machines]


def ours(
    pool: search.Pool, y: np.ndarray, limit: float, most: int, seed: int, given: Sequence[Source]
) -> tuple[list[int], int | None, float, float]:
    """Rows in the order of measuring, after how many the search would have ended, and the longest time that a choice took: wall, and of the CPU."""
    # Seeds differ in the first network: a search itself has no chance in it.
    order = [int(np.random.default_rng(seed).integers(len(pool)))] if seed else []
    ended, longest, busiest = None, 0.0, 0.0
    while len(order) < most:
        began, cpu = time.perf_counter(), time.process_time()
        rows = np.array(order, int)
        choice = search.choose(pool, search.Seen(rows, y[rows], np.empty(0, int), np.ones(len(rows), bool)), limit, given)
        longest, busiest = max(longest, time.perf_counter() - began), max(busiest, time.process_time() - cpu)
        if choice.done and ended is None:
            ended = len(order)
        if choice.row is None:
            break
        order.append(choice.row)
    return order, ended, longest, busiest


def at_random(pool: search.Pool, y: np.ndarray, limit: float, most: int, seed: int) -> list[int]:
    return list(np.random.default_rng(seed).permutation(len(pool))[:most])


def by_gmacs(pool: search.Pool, y: np.ndarray, limit: float, most: int, seed: int) -> list[int]:
    """Ten spread over GMACs, a straight line in logarithms, then the most accurate that should meet the limit."""
    size = np.log(pool.nets.macs.sum(1) + 1)
    order = list(np.argsort(size, kind="stable")[np.linspace(0, len(pool) - 1, 10).astype(int) - seed % 2])
    while len(order) < most:
        slope, offset = np.polyfit(size[order], np.log(y[order]), 1)
        left = np.setdiff1d(np.flatnonzero(slope * size + offset <= np.log(limit)), order)
        if len(left) == 0:
            left = np.setdiff1d(np.arange(len(pool)), order)
        order.append(int(left[np.argmax(pool.top1[left])]))
    return order[:most]


def halving(pool: search.Pool, y: np.ndarray, limit: float, most: int, seed: int) -> list[int]:
    """Successive halving over size: measure a few of each interval, keep the half whose times lie nearer to the limit, go on in there."""
    generator = np.random.default_rng(seed)
    order: list[int] = []
    inside = np.argsort(pool.nets.macs.sum(1), kind="stable")
    while len(order) < most:
        halves = np.array_split(inside, 2)
        picked = [int(half[np.argmax(pool.top1[half] + generator.normal(0, 1, len(half)))]) for half in halves if len(half)]
        order += [row for row in picked if row not in order] or [int(generator.integers(len(pool)))]
        inside = halves[int(np.argmin([abs(np.log(y[row] / limit)) for row in picked]))] if len(inside) > 4 else np.arange(len(pool))
    return order[:most]


def regret(pool: search.Pool, y: np.ndarray, limit: float, order: Sequence[int]) -> np.ndarray:
    """Points of Top-1 lost after 1, 2, .. measurements; with none that meets the limit yet, all of the best's."""
    best = pool.top1[y <= limit].max()
    reached = np.maximum.accumulate(np.where(y[list(order)] <= limit, pool.top1[list(order)], 0.0))
    return best - reached


def row(name: str, curves: Sequence[np.ndarray], at: Sequence[int]) -> dict[int, float]:
    """Print a method's line and return the share of limits within WITHIN points, by number of measurements."""
    shares, cells = {}, []
    for k in at:
        lost = np.array([curve[min(k, len(curve)) - 1] for curve in curves])
        shares[k] = float((lost <= WITHIN).mean())
        cells.append(f"{np.median(lost):4.1f} /{np.quantile(lost, 0.9):5.1f} / {shares[k]:4.0%}")
    print(f"| {name:24} | " + " | ".join(cells) + " |", flush=True)
    return shares


def judge(p: Platform, folder: Path, seeds: int, limits: int, most: int, with_public: bool) -> list[str]:
    """Print one machine's table; returns the targets that were missed."""
    pool, y = judged(p, folder)
    used = public.without(p.name) if with_public else []
    print(f"\n### {p.name}: {len(pool)} networks; sources: {', '.join(map(str, used)) or 'none'}")
    given = sources(p, used)
    began = time.process_time()
    for source in given:
        source.log(pool.nets)  # a search fits the public machines once, when it begins
    print(f"public machines fitted in {time.process_time() - began:.1f} s of the CPU")
    at = [k for k in (8, 10, 12, 15, 20, 25, 30) if k <= most]
    print(f"| {'lost, median / 90 % / in 0.3':24} | " + " | ".join(f"{f'after {k}':20}" for k in at) + " |\n|" + " --- |" * (len(at) + 1))
    cases = [(float(limit), seed) for limit in np.quantile(y, np.linspace(0.1, 0.9, limits)) for seed in range(seeds)]
    found = [ours(pool, y, limit, most, seed, given) for limit, seed in cases]
    shares = row("Dyno", [regret(pool, y, limit, order) for (limit, _), (order, *_) in zip(cases, found, strict=True)], at)
    others: dict[str, Callable[..., list[int]]] = {"GMACs only": by_gmacs, "successive halving": halving, "at random": at_random}
    for name, method in others.items():
        row(name, [regret(pool, y, limit, method(pool, y, limit, most, seed)) for limit, seed in cases], at)
    ended = [(end, regret(pool, y, limit, order[:end])[-1]) for (limit, _), (order, end, *_) in zip(cases, found, strict=True) if end]
    missed = [
        f"{p.name}: {shares[k]:.0%} after {k}, to reach {goal:.0%}" for k, goal in TARGETS.items() if k in shares and shares[k] < goal
    ]
    if ended:
        wrong = float(np.mean([lost > WITHIN for _, lost in ended]))
        print(
            f"ended by itself in {len(ended)} of {len(cases)} after {np.median([end for end, _ in ended]):.0f} (median); a better one was left in {wrong:.1%} (promised {PROMISE:.0%})"
        )
        if wrong > PROMISE:
            missed.append(
                f"{p.name}: a better network was left in {wrong:.1%} of the searches that ended by themselves, promised {PROMISE:.0%}"
            )
    slowest, busiest = max(longest for *_, longest, _ in found), max(cpu for *_, cpu in found)
    print(f"choosing the next took at most {slowest:.2f} s, {busiest:.2f} s of the CPU (to reach: {SECONDS:g} s where nobody else is busy)")
    return missed + ([f"{p.name}: choosing took {busiest:.2f} s of the CPU, to reach {SECONDS:g} s"] if busiest > SECONDS else [])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--limits", type=int, default=9)
    parser.add_argument("--most", type=int, default=25)
    parser.add_argument("--only", default="", help="judge only the files whose names hold this")
    parser.add_argument("--without-public", action="store_true", help="no public machines as sources")
    a = parser.parse_args()
    missed: list[str] = []
    for p in load(a.data_dir):
        if a.only in p.name:
            missed += judge(p, a.data_dir, a.seeds, a.limits, a.most, not a.without_public)
    print("\n" + ("\n".join(f"missed: {line}" for line in missed) or "every target is reached"))
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
