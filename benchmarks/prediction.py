"""Errors of prediction on public data, beside the baselines, against the numbers to reach.

    python benchmarks/prediction.py DATA_DIR [--seeds 20] [--quick] [--only classic,study,single,transfer,public,unseen]

DATA_DIR holds result files of any machines in timm's form (see public_data.py); the first study's table is looked for beside it.
Errors are absolute and relative; "in 20 %" is the share of networks predicted within 20 %; "90 %" is how often the interval holds the truth
and "x/:" the factor it spans to either side (median).
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from analysis.predict import predictor, public, transfer
from analysis.predict.blend import blend
from analysis.predict.networks import Networks
from benchmarks.baselines import METHODS, Outcome, outcome
from benchmarks.public_data import Platform, classic, load, zhao
from runner.networks.informative import GROUPS, most_informative

TRAINING = (30, 50, 80)
CALIBRATION = (1, 10, 20)


def line(name: str, runs: Sequence[Outcome], goal: str = "") -> None:
    """One row: every number is the mean over the runs; n is that of the predicted networks."""
    cells = (
        [np.median(r.error) for r in runs],
        [r.error.mean() for r in runs],
        [(r.error < 0.1).mean() for r in runs],
        [(r.error < 0.2).mean() for r in runs],
    )
    text = " | ".join(f"{100 * np.mean(c):5.1f}" for c in cells)
    inside, span = np.mean([r.inside.mean() for r in runs]), np.mean([np.median(r.span) for r in runs])
    interval = f"{100 * inside:5.1f} | {span:5.2f}" if np.isfinite(inside) else "      |      "
    print(f"| {name:52} | {np.mean([len(r.error) for r in runs]):6.0f} | {text} | {interval} | {goal} |", flush=True)


def heading(title: str) -> None:
    print(
        f"\n### {title}\n| {'':52} |      n | median | mean | in 10 % | in 20 % |  90 % |   x/: | to reach |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    )


def splits(n: int, total: int, seeds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    orders = [np.random.default_rng(seed).permutation(total) for seed in range(seeds)]
    return [(order[:n], order[n:]) for order in orders]


def single(platforms: Sequence[Platform], seeds: int, sizes: Sequence[int]) -> None:
    heading(f"One platform: n networks to all others, {seeds} seeds")
    for p in platforms:
        for n in (n for n in sizes if n + 20 <= len(p.y)):
            for name, method in METHODS.items():
                runs = [method(train, test, p) for train, test in splits(n, len(p.y), seeds)]
                line(f"{p.name}, n = {n}: {name}", runs, "median 13, aim 10; in 20 % 67; 90 % 87-94" if n == 50 and name == "Dyno" else "")


def left_out(p: Platform, rows: np.ndarray, by: np.ndarray, method: Callable) -> Outcome:
    """Every network predicted from those of another value of `by`."""
    parts = [(rows[by != value], rows[by == value]) for value in dict.fromkeys(by)]
    each = [method(train, test, p) for train, test in parts if len(train) >= predictor.FEWEST]
    return Outcome(*(np.concatenate([getattr(o, name) for o in each]) for name in ("ratio", "inside", "span")))


def classics(platforms: Sequence[Platform]) -> None:
    heading("Classic networks of the studies, one image size each")
    for p in platforms:
        rows = classic(p)
        if len(rows) < 10:
            print(f"| {p.name}: {len(rows)} classic networks, too few |")
            continue
        for name, method in METHODS.items():
            line(
                f"{p.name}, leave one out: {name}",
                [left_out(p, rows, p.nets.model[rows], method)],
                "mean 6.5; in 10 % 80 (RTX 4090)" if name == "Dyno" else "",
            )
        for name, method in METHODS.items():
            line(
                f"{p.name}, leave family out: {name}",
                [left_out(p, rows, p.nets.family[rows], method)],
                "mean 14 (RTX 4090)" if name == "Dyno" else "",
            )


def nano(folder: Path) -> None:
    heading("The first study, leave one out (features of the 224-px graphs; PyTorch was timed near 32 px, so also of those)")
    if not zhao(folder, 224):
        print(f"no models_digitised.csv in or beside {folder}")
    for px in (224, 32):
        for name, (nets, y) in zhao(folder, px).items():
            p = Platform(name, nets, y, nets.model, np.full(len(y), px), nets.macs.sum(1) / 1e9, nets.out[:, :7].sum(1) / 1e6, ())
            goal = {"Jetson Nano, PyTorch": "12, aim 10", "Jetson Nano, TensorRT": "15.5, aim 12"}.get(name, "")
            for label, method in METHODS.items():
                line(f"{name}, {px} px: {label}", [left_out(p, np.arange(len(y)), nets.model, method)], goal if label == "Dyno" else "")


def carried(a: Platform, b: Platform, train: np.ndarray, test: np.ndarray) -> Outcome:
    """From platform a, where everything was measured, to b, where only the rows `train` were."""
    where = {model: i for i, model in enumerate(a.nets.model)}
    log = np.log(a.y / a.nets.batch)

    def source(n: Networks) -> tuple[np.ndarray, np.ndarray]:
        return np.array([log[where[model]] for model in n.model]), np.zeros(len(n))

    got = transfer.carry(a.nets, b.nets[train], b.y[train], source, unlike=a.is_cpu != b.is_cpu).predict(b.nets[test])
    return outcome(got[0], b.y[test], *got[1:])


def scaled(a: Platform, b: Platform, train: np.ndarray, test: np.ndarray) -> Outcome:
    """The baseline: one scale factor."""
    where = {model: a.y[i] / a.nets.batch[i] for i, model in enumerate(a.nets.model)}
    source = np.array([where.get(model, np.nan) for model in b.nets.model]) * b.nets.batch
    return outcome(source[test] * np.median(b.y[train] / source[train]), b.y[test])


def transfers(platforms: Sequence[Platform], seeds: int) -> None:
    heading(
        f"From one platform to another with k calibration networks: random, and chosen by most_informative from a random half; {seeds} seeds"
    )
    for a in platforms:
        for b in platforms:
            shared = np.flatnonzero(np.isin(b.nets.model, a.nets.model))
            if a is b or len(shared) < 60:
                continue
            feats = b.nets.features()
            for k in CALIBRATION:
                runs: dict[str, list[Outcome]] = {"random": [], "chosen": [], "scale factor": []}
                for seed in range(seeds):
                    order = np.random.default_rng(seed).permutation(shared)
                    pool, test = order[: len(order) // 2], order[len(order) // 2 :]
                    chosen = pool[most_informative([feats[i] for i in pool], k)]
                    runs["random"].append(carried(a, b, pool[:k], test))
                    runs["chosen"].append(carried(a, b, chosen, test))
                    runs["scale factor"].append(scaled(a, b, pool[:k], test))
                for name, got in runs.items():
                    goal = (
                        "median 6.5 between GPUs; 90 % 87-94" if k == 10 and name != "scale factor" and not (a.is_cpu or b.is_cpu) else ""
                    )
                    line(f"{short(a)} to {short(b)}, k = {k}: {name}", got, goal)


def short(p: Platform) -> str:
    parts = p.name.split("-")
    return "-".join(
        [part for part in parts[:2] if part in ("amp", "fp32", "nhwc", "nchw")][1:]
        + [x for x in parts[2:] if not x.startswith(("pt", "cu", "cpu"))]
    )


def blended(p: Platform, train: np.ndarray, test: np.ndarray, hidden: bool = False) -> Outcome:
    """The device's own predictor and the catalogue's public machines; `hidden`: the test networks are unknown to those."""
    names = np.array([f"timm:{base} at {px:.0f} px" for base, px in zip(p.base, p.img, strict=True)], object)
    n = p.nets
    nets = Networks(n.macs, n.bytes, n.out, n.count, n.params, n.batch, names, n.family)
    own = predictor.train(nets[train], p.y[train])
    machines = [public.hiding(m, names[test]) if hidden else m for m in public.without(p.name)]
    made = blend(nets[train], p.y[train], [m.source((m.kind == "cpu") != p.is_cpu) for m in machines], own)
    value, low, high = made.predict(nets[test])
    return outcome(value, p.y[test], low, high)


def with_public(platforms: Sequence[Platform], seeds: int) -> None:
    heading(f"One platform with the catalogue's public machines as sources, never the judged device; {seeds} seeds")
    for p in platforms:
        print(f"| sources of {p.name}: {', '.join(map(str, public.without(p.name)))} |")
        for n, goal in ((10, "median 9 (GPU), 8 (CPU)"), (50, "median 6.5")):
            line(f"{short(p)}, n = {n}: to all others", [blended(p, *split) for split in splits(n, len(p.y), seeds)], goal + "; 90 % 87-94")
        runs = [blended(p, train, test[: len(test) // 3], hidden=True) for train, test in splits(50, len(p.y), seeds)]
        line(f"{short(p)}, n = 50: networks unknown to the sources", runs, "median 6; 90 % 87-94")


def unseen(platforms: Sequence[Platform]) -> None:
    heading("Operator group that 50 training networks never had (5 seeds): its networks, flagged, by the coarse law")
    for p in platforms:
        for j, group in enumerate(GROUPS):
            has = p.nets.count[:, j] > 0
            if has.sum() < 20 or (~has).sum() < 70:
                continue
            runs, flagged, worst = [], [], []
            for seed in range(5):
                train = np.random.default_rng(seed).permutation(np.flatnonzero(~has))[:50]
                got = predictor.train(p.nets[train], p.y[train]).predict(p.nets[has])
                flags = np.array([bool(groups) for groups in got.unseen])
                runs.append(outcome(got.value, p.y[has], got.low, got.high))
                flagged.append(flags.mean())
                worst.append(np.exp(np.abs(np.log(runs[-1].ratio[~flags]))).max() if (~flags).any() else 1.0)
            line(
                f"{short(p)}, without {group}",
                runs,
                f"flagged {100 * np.mean(flagged):.0f} %; worst unflagged off by {max(worst):.1f}x (to reach: under 10x)",
            )


def speed(p: Platform) -> None:
    rows = np.random.default_rng(0).permutation(len(p.y))[:1000]
    wall, cpu = time.perf_counter(), time.process_time()
    predictor.train(p.nets[rows], p.y[rows]).predict(p.nets[rows])
    print(
        f"\nFit on {len(rows)} networks and predict them: {time.perf_counter() - wall:.1f} s, of the CPU {time.process_time() - cpu:.1f} s (to reach: 2 s, one BLAS thread)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="3 seeds, n = 50")
    parser.add_argument("--only", default="", help="parts of the table, by comma: classic, study, single, transfer, public, unseen")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    platforms = load(arguments.data_dir)
    seeds = 3 if arguments.quick else arguments.seeds
    for p in platforms:
        print(f"{p.name}: {len(p.y)} networks; {len(p.missing)} without features{': ' + ', '.join(p.missing[:8]) if p.missing else ''}")
    speed(platforms[0])
    parts = {"classic": lambda: classics(platforms), "study": lambda: nano(arguments.data_dir),
             "single": lambda: single(platforms, seeds, (50,) if arguments.quick else TRAINING),
             "transfer": lambda: transfers(platforms, max(seeds // 2, 2)), "public": lambda: with_public(platforms, max(seeds // 4, 2)), "unseen": lambda: unseen(platforms)}  # fmt: skip
    for name in arguments.only.split(",") if arguments.only else parts:
        parts[name]()


if __name__ == "__main__":
    main()
