"""The verdict: which network to take within limits, in one title and one sentence. `templates/decide.js` says the same in the browser; a test holds them together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.frame.metrics import significant
from analysis.predict.limits import LIKELY
from analysis.report.entries import Entry, fastest

CAMERA = 30  # images/s that a verdict asks for until the reader asks for something else
Z90 = 1.6449  # standard deviations to either end of a 90 % interval
QUANTILES = {"ms": "median", "p90": "90th percentile", "p99": "99th percentile"}


@dataclass(frozen=True)
class Seen:
    """What differences of Top-1 its images can show: `points` is 95 % of what chance does at 70 %."""

    data: str = "ImageNet"
    images: int = 50_000

    @property
    def points(self) -> float:
        """The smallest difference that is more than chance."""
        return 100 * 1.96 * math.sqrt(0.7 * 0.3 / self.images)

    @property
    def words(self) -> str:
        """`ImageNet’s 50,000 images`."""
        return f"{self.data}’s {self.images:,} images"


IMAGENET = Seen()


@dataclass(frozen=True)
class Limits:
    """What is asked for; None is no limit. `ms` is per batch, on the quantile `of`; batch 0 is each network's own, and `ms` then per image."""

    ms: float | None = None
    of: str = "ms"
    rate: float | None = None
    top1: float | None = None
    mib: float | None = None
    mj: float | None = None
    batch: int = 1
    precision: str = ""

    def meets(self, row: Entry) -> bool:
        """Whether a network meets every limit, noise included: the upper end of its interval counts, where it has one; of a prediction its chance."""
        if not row.measured:
            return self.chance(row) >= LIKELY
        time = (row.high or row.ms) if self.of == "ms" else getattr(row, self.of)
        time = time / row.batch if time and not self.batch else time
        tests = ((time, self.ms, 1), (row.mib, self.mib, 1), (row.mj, self.mj, 1), (row.top1, self.top1, -1))
        within = all(limit is None or (value is not None and sign * value <= sign * limit) for value, limit, sign in tests)
        slowest = 1e3 * row.batch / (row.high or row.ms)
        return within and (self.rate is None or slowest >= self.rate)

    @property
    def only_top1(self) -> bool:
        """Whether nothing but Top-1 is limited, so that the fastest is the answer."""
        return self.top1 is not None and (self.ms, self.rate, self.mib, self.mj) == (None,) * 4

    def chance(self, row: Entry) -> float:
        """The chance that a predicted network meets the limits; what is not predicted (memory, energy) meets none."""
        if self.mib is not None or self.mj is not None or (self.top1 is not None and (row.top1 or 0) < self.top1):
            return 0.0
        most = [self.ms * (1 if self.batch else row.batch)] if self.ms is not None else []
        most += [1e3 * row.batch / self.rate] if self.rate is not None else []
        if not most:
            return 1.0
        spread = math.log((row.high or row.ms) / (row.low or row.ms)) / (2 * Z90)
        return _below(math.log(min(most) / row.ms) / max(spread, 1e-9))


def _below(z: float) -> float:
    """The normal distribution function (Abramowitz and Stegun 26.2.17, within 1e-7), which a browser has not got."""
    t = 1 / (1 + 0.2316419 * abs(z))
    tail = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    tail *= math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return tail if z < 0 else 1 - tail


@dataclass(frozen=True)
class Verdict:
    """What to take (None: nothing), as a title and a sentence."""

    title: str
    sentence: str
    take: Entry | None = None


def decide(rows: Sequence[Entry], limits: Limits, seen: Seen = IMAGENET) -> Verdict:
    """The most accurate measured network that meets the limits, what its nearest rival gives up for being faster, and what a prediction promises."""
    everything = fastest(rows, limits.batch, limits.precision)
    pool = [row for row in everything if row.measured]
    rated = [row for row in pool if row.top1 is not None]
    if not pool:
        return Verdict("Nothing was measured at this batch size and precision", "Choose others.")
    if not rated:
        return _unrated(pool, limits)
    good = [row for row in rated if limits.meets(row)]
    if not good:
        best, many = rated[0], len({row.model for row in rated})
        who = "It" if many == 1 else f"The fastest, {best.network},"
        none = f"{best.network} does not meet" if many == 1 else f"None of {many} networks meets"
        said = f"{who} takes {time(best, limits.batch)} with {best.backend} and reaches {best.top1:.1f} % Top-1."
        return Verdict(
            f"{none} {'this limit' if _one(limits) else 'these limits'}: {asked(limits)}",
            " ".join(filter(None, [said, other_weights(best), _promise(everything, limits, None)])),
        )
    take = max(good, key=lambda row: row.rate if limits.only_top1 else (row.top1 or 0, row.rate))
    said = " ".join(
        filter(
            None,
            [
                _because(good, rated, limits),
                "" if limits.only_top1 else _rival(take, good, seen),
                _unsure(take),
                other_weights(take),
                _promise(everything, limits, take),
            ],
        )
    )
    return Verdict(f"Take {take.network}: {take.top1:.1f} % Top-1 in {time(take, limits.batch)} with {take.backend}", said, take)


def _unrated(pool: list[Entry], limits: Limits) -> Verdict:
    """Where no Top-1 is known only the fastest can be named."""
    first, many = pool[0], len({row.model for row in pool})
    who = "it" if many == 1 else f"any of the {many} networks"
    head = "Only network" if many == 1 else "Fastest"
    within = asked(limits)
    missed = f" Even so it misses the {'limit' if _one(limits) else 'limits'}: {within}." if within and not limits.meets(first) else ""
    return Verdict(
        f"{head}: {first.network}, {time(first, limits.batch)} with {first.backend}",
        f"No Top-1 is known for {who}, so the most accurate can't be named.{missed}",
        first,
    )


def _because(good: list[Entry], rated: list[Entry], limits: Limits) -> str:
    within = asked(limits)
    many, met = len({row.model for row in rated}), len({row.model for row in good})  # one that was timed at two input sizes is one network
    noun = "limit" if _one(limits) else "limits"
    if many == 1:
        return f"It is the only network here{f', and it meets the {noun}: ' + within if within else ''}."
    if not within:
        return f"It is the most accurate of {many} networks; no limit is set."
    if met == 1:
        return f"It is the only one of {many} networks that meets the {noun}: {within}."
    most = "fastest" if limits.only_top1 else "most accurate"
    if met == many:
        return f"It is the {most} of {many} networks, all of which meet the {noun}: {within}."
    return f"It is the {most} of the {met} networks (of {many}) that meet the {noun}: {within}."


def _unsure(take: Entry) -> str:
    if take.heat == "sustained":
        return ""
    if take.low is None:
        if take.trust.startswith("imported"):
            return "Imported times carry no interval."
        return f"The time of {take.network} is that of one process, so it carries no interval."
    return "The board was cold; dyno run --sustained 10 shows what heat costs." if take.heat == "cold" else ""


def other_weights(row: Entry) -> str:
    """That Top-1 is of other weights than those that were timed, and what their licence asks for; empty where neither needs to be said."""
    terms = f"Licence of {'its' if not row.timed else 'these'} weights: {row.terms.removeprefix('licence ')}." if row.terms else ""
    if not row.timed:
        return terms
    timed = "random ones were timed, which take as long" if row.timed == "random" else f"{row.timed} was timed"
    return f"Its Top-1 is that of the weights {row.weights_of or row.tag}; {timed}. {terms}".strip()


def _rival(take: Entry, good: list[Entry], seen: Seen) -> str:
    """The next most accurate that is faster beyond both intervals."""
    faster = [row for row in good if row is not take and (row.high or row.ms) / row.batch < (take.low or take.ms) / take.batch]
    if not faster:
        return ""
    other = max(faster, key=lambda row: (row.top1 or 0, row.rate))
    gap, times = (take.top1 or 0) - (other.top1 or 0), other.rate / take.rate
    lost = f"gives up {gap:.1f} {'point' if f'{gap:.1f}' == '1.0' else 'points'}" if f"{gap:.1f}" != "0.0" else "is as accurate"
    chance = f" (too little for {seen.words} to tell apart)" if 0.05 <= gap < seen.points else ""
    return f"{other.network} {lost}{chance} and is {significant(times, 2)} times as fast."


def _promise(everything: list[Entry], limits: Limits, take: Entry | None) -> str:
    """The prediction that promises most: the gain in Top-1 times its chance; empty where none promises anything."""
    floor = (take.top1 or 0.0) if take else 0.0
    found = [row for row in everything if not row.measured and (row.top1 or 0) > floor and limits.meets(row)]
    if not found:
        return ""
    best = max(found, key=lambda row: (((row.top1 or 0) - floor) * limits.chance(row), row.rate))
    sure = f", {sure_of(best, limits)} sure to meet the {'limit' if _one(limits) else 'limits'}" if asked(limits) else ""
    gain = f"{(best.top1 or 0) - floor:.1f} points more" if take else f"{best.top1:.1f} % Top-1"
    terms = f" (weights: {best.terms})" if best.terms else ""
    return f"Not measured here: {best.network}, predicted at {time(best, limits.batch)}{sure}, would have {gain}{terms}."


def sure_of(row: Entry, limits: Limits) -> str:
    """The chance of a prediction to meet the limits, in words; nothing that was not measured is certain."""
    return f"{min(99, math.floor(100 * limits.chance(row) + 0.5))} %"


def _one(limits: Limits) -> bool:
    return sum(value is not None for value in (limits.ms, limits.rate, limits.top1, limits.mib, limits.mj)) < 2


def asked(limits: Limits) -> str:
    """The limits in words; empty where there is none."""
    said = []
    if limits.ms is not None:
        pace = f" ({significant(1e3 / limits.ms, 2)} images/s)" if limits.batch < 2 and limits.rate is None else ""
        said.append(f"{QUANTILES[limits.of]} at most {significant(limits.ms, 3)} ms{' per image' if not limits.batch else ''}{pace}")
    if limits.rate is not None:
        said.append(f"at least {significant(limits.rate, 3)} images/s")
    if limits.top1 is not None:
        said.append(f"Top-1 at least {limits.top1:.0f} %")
    if limits.mib is not None:
        said.append(f"memory at most {significant(limits.mib, 3)} MiB")
    if limits.mj is not None:
        said.append(f"energy at most {significant(limits.mj, 3)} mJ per image")
    return ", ".join(said)


def time(row: Entry, batch: int) -> str:
    """A time in words: per batch, or, where each network has a batch size of its own, per image."""
    if batch == 0:
        return f"{significant(row.ms / row.batch, 3)} ms per image (batch {row.batch})"
    return f"{significant(row.ms, 3)} ms" + (f" per batch of {batch}" if batch > 1 else "") + (f" ({row.heat})" if row.heat else "")
