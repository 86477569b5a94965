"""Which network to measure next, so that the best one within limits is found after few measurements.

Bayesian optimisation over a known list: accuracy is published, latency is predicted with its uncertainty, and the next to measure is the one whose
gain in Top-1 times its chance to meet all limits is largest (the expected improvement of Mockus 1978 with a known objective and an unknown constraint;
Gardner et al. 2014). It ends when an unmeasured network is hardly any more likely to be better.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.predict import predictor
from analysis.predict.blend import Source, blend
from analysis.predict.doubt import any_meets
from analysis.predict.networks import Networks

GAIN = 0.3  # points of Top-1 that matter
DOUBT = 0.05  # chance of a better network that is left when a search ends
START = 3  # networks measured before anything is fitted where a machine of the same kind is known; FAR where only others are, ALONE where none is
FAR, ALONE = 2, 6
OWN_FROM = 8  # networks of its own from which a device's own predictor is worth its time
FREEDOM = 4  # of Student's t: errors of prediction have heavy tails
LEAST_SD = 0.02
MOST_SD = (
    0.6  # of any network once a few were measured in its arm: 0 to 2 % of a public table are then faster than expected by 1.6 times as much
)
DRAWN = 4  # left-out errors that the standard deviations as predicted count as
ODD_ERROR = 3.0  # standard deviations beyond which a left-out error counts as so many
LEAST_SCALE = 0.4  # never trust left-out errors further than that: they are of networks that were chosen, near the limit
UNKNOWN_SD = 1.0  # log standard deviation of a device's speed before anything is measured on it
UNKNOWN_ARM_SD = 0.5  # of a set-up beside one that was measured
OFFSETS = (0.0, -0.1, -0.7, 0.4, -1.4, 0.8)  # logarithms of time over the limit at which a search begins
Z90 = float(stats.norm.ppf(0.95))


@dataclass(frozen=True)
class Pool:
    """Candidates: networks at a batch size, published Top-1 in percent, and the arm (a backend and precision, by number) that each would run in."""

    nets: Networks
    top1: np.ndarray
    arm: np.ndarray

    def __len__(self) -> int:
        return len(self.top1)


@dataclass(frozen=True)
class Seen:
    """What is known by now: rows of the pool with their seconds per batch, rows that failed, and whether each measured row met the other limits."""

    rows: np.ndarray
    latency_s: np.ndarray
    failed: np.ndarray
    others_met: np.ndarray


@dataclass(frozen=True)
class Choice:
    """The next row to measure (None: nothing is worth it), why, the best row so far (None: none meets the limits), and the chance that a better one is left."""

    row: int | None
    why: str
    best: int | None
    doubt: float
    done: bool
    mean: np.ndarray  # log seconds per batch
    sd: np.ndarray
    chance: np.ndarray  # to meet all limits; 0 or 1 where measured


def choose(pool: Pool, seen: Seen, limit_s: float, sources: Sequence[Source], other_chance: np.ndarray | None = None) -> Choice:
    """What to measure next. `other_chance`: of meeting the limits beside latency, per row."""
    mean, sd = forecast(pool, seen, sources)
    z, others = (np.log(limit_s) - mean) / sd, np.ones(len(pool)) if other_chance is None else other_chance
    chance = stats.t.cdf(z, FREEDOM) * others
    chance[seen.rows] = ((seen.latency_s <= limit_s) & seen.others_met).astype(float)
    chance[seen.failed] = 0.0
    met = seen.rows[chance[seen.rows] > 0]
    best = int(met[np.argmax(pool.top1[met])]) if len(met) else None
    open_ = np.ones(len(pool), bool)
    open_[np.concatenate([seen.rows, seen.failed])] = False
    start = _start(pool, seen, mean, limit_s, _first(sources))
    floor = float(pool.top1[best]) if best is not None else float(np.min(pool.top1)) - 1.0
    gain = np.where(open_, np.maximum(pool.top1 - floor, 0), 0) * chance
    better = open_ & (pool.top1 > floor + (GAIN if best is not None else 0))
    doubt = any_meets(z[better], others[better], pool.nets.family[better], FREEDOM)
    if start is not None:
        return Choice(
            start, f"to learn how fast this device is ({len(seen.rows) + 1} of {_first(sources)})", best, doubt, False, mean, sd, chance
        )
    if gain.max(initial=0.0) <= 0:
        return Choice(None, "nothing is left that could be better", best, doubt, True, mean, sd, chance)
    row = int(np.argmax(gain))
    why = f"{pool.top1[row] - floor:+.1f} points of Top-1" if best is not None else f"Top-1 {pool.top1[row]:.1f} %, and nothing fits yet"
    why = f"{why}, {100 * chance[row]:.0f} % likely to fit"
    return Choice(row, why, best, doubt, doubt < DOUBT, mean, sd, chance)


def forecast(pool: Pool, seen: Seen, sources: Sequence[Source]) -> tuple[np.ndarray, np.ndarray]:
    """Log seconds per batch of every row and its standard deviation, each arm from its own measurements, public machines and the other arms."""
    mean, sd = np.full(len(pool), np.nan), np.full(len(pool), np.nan)
    counts = {int(arm): int((pool.arm[seen.rows] == arm).sum()) for arm in np.unique(pool.arm)}
    done: list[int] = []
    for arm in sorted(counts, key=lambda a: (-counts[a], a)):
        rows = np.flatnonzero(pool.arm == arm)
        mine = np.flatnonzero(pool.arm[seen.rows] == arm)
        beside = [_arm(pool, seen, other, mean, sd) for other in done if counts[other]]
        mean[rows], sd[rows] = _one_arm(pool.nets[rows], pool.nets[seen.rows[mine]], seen.latency_s[mine], [*sources, *beside])
        done.append(arm)
    return mean, sd


def _one_arm(nets: Networks, known: Networks, y: np.ndarray, sources: Sequence[Source]) -> tuple[np.ndarray, np.ndarray]:
    if len(y) == 0:
        near = [s for s in sources if s.name.startswith("arm ")] or [s for s in sources if not s.unlike] or list(sources)
        if not near:
            size = np.log(nets.total_macs + 1)
            return size - np.median(size) + np.log(0.05), np.full(len(nets), 2 * UNKNOWN_SD)
        logs = np.array([source.log(nets)[0] for source in near])
        return logs.mean(0) + np.log(nets.batch), np.full(len(nets), UNKNOWN_ARM_SD if near[0].name.startswith("arm ") else UNKNOWN_SD)
    like = any(not source.unlike for source in sources)
    enough = len(y) >= (2 * OWN_FROM if like else max(predictor.FEWEST, _first(sources)))
    blended = blend(known, y, sources, predictor.train(known, y) if enough else None)
    if blended is None:  # no source, and too few for a predictor: in proportion to the work
        size, ours = np.log(nets.total_macs + 1), np.log(known.total_macs + 1)
        return size + np.median(np.log(y) - ours), np.full(len(nets), UNKNOWN_SD)
    # A promise must be wide where a network is like nothing measured; a choice that took that width for a chance would chase the odd ones.
    value, low, _ = blended.predict(nets, alike=True)
    sd = np.log(value / low) / Z90
    if len(y) >= predictor.FEWEST:
        sd = np.minimum(sd, MOST_SD)
    return np.log(value), np.maximum(sd * _scale(blended.residuals, float(np.median(sd))), LEAST_SD)


def _scale(residuals: np.ndarray, usual_sd: float) -> float:
    """What standard deviations are multiplied by, so that they agree with the errors on networks left out; 1 while there are few of those."""
    errors = np.minimum(np.abs(residuals[np.isfinite(residuals)]) / usual_sd, ODD_ERROR)
    return float(max(np.sqrt((DRAWN + (errors**2).sum()) / (DRAWN + len(errors))), LEAST_SCALE))


def _arm(pool: Pool, seen: Seen, arm: int, mean: np.ndarray, sd: np.ndarray) -> Source:
    """Another arm of the same device as a source: measured where it was, predicted elsewhere."""
    rows = np.flatnonzero(pool.arm == arm)
    log = {str(model): m for model, m in zip(pool.nets.model[rows], mean[rows] - np.log(pool.nets.batch[rows]), strict=True)}
    spread = {str(model): s for model, s in zip(pool.nets.model[rows], sd[rows], strict=True)}
    for row, y in zip(seen.rows, seen.latency_s, strict=True):
        if pool.arm[row] == arm:
            log[str(pool.nets.model[row])], spread[str(pool.nets.model[row])] = float(np.log(y / pool.nets.batch[row])), 0.0

    def source_log(n: Networks) -> tuple[np.ndarray, np.ndarray]:
        return np.array([log[str(model)] for model in n.model]), np.array([spread[str(model)] for model in n.model])

    return Source(f"arm {arm}", pool.nets[rows], source_log, unlike=False)


def _first(sources: Sequence[Source]) -> int:
    """How many networks are measured before gains are weighed."""
    return START if any(not source.unlike for source in sources) else FAR if sources else ALONE


def _start(pool: Pool, seen: Seen, mean: np.ndarray, limit_s: float, wanted: int) -> int | None:
    """A row to begin with: on the frontier of accuracy and expected time, spread over its times; None when enough are measured."""
    tried = len(seen.rows) + len(seen.failed)
    if len(seen.rows) >= wanted or tried >= 3 * wanted:
        return None
    order = np.argsort(mean, kind="stable")
    best = np.maximum.accumulate(pool.top1[order])
    frontier = order[pool.top1[order] >= best - 1.0]
    taken = set(map(int, seen.rows)) | set(map(int, seen.failed))
    frontier = np.array([row for row in frontier if int(row) not in taken])
    if len(frontier) == 0:
        return None
    if len(seen.rows) == 0 or not np.isfinite(limit_s):  # nobody knows yet how fast the device is: begin with what is cheap
        at = np.quantile(mean[frontier], (0.1, 0.3, 0.5, 0.2, 0.7, 0.4)[tried % 6])
    else:  # then what should be near the limit, and to both sides of it
        at = np.clip(np.log(limit_s) + OFFSETS[tried % len(OFFSETS)], *np.quantile(mean[frontier], [0.02, 0.98]))
    return int(frontier[np.argmin(np.abs(mean[frontier] - at))])
