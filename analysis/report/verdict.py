"""The verdict: which network to take within limits, in one title and one sentence. `templates/decide.js` says the same in the browser; a test holds them together."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.frame.metrics import significant
from analysis.report.entries import Entry, fastest

CAMERA = 30  # images/s that a verdict asks for until the reader asks for something else
SEEN = 0.4  # points of Top-1: 95 % of what chance does to 50,000 images at 70 %
QUANTILES = {"ms": "median", "p90": "90th percentile", "p99": "99th percentile"}


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
        """Whether a network meets every limit, noise included: the upper end of its interval counts, where it has one."""
        time = (row.high or row.ms) if self.of == "ms" else getattr(row, self.of)
        time = time / row.batch if time and not self.batch else time
        tests = ((time, self.ms, 1), (row.mib, self.mib, 1), (row.mj, self.mj, 1), (row.top1, self.top1, -1))
        within = all(limit is None or (value is not None and sign * value <= sign * limit) for value, limit, sign in tests)
        slowest = 1e3 * row.batch / (row.high or row.ms)
        return within and (self.rate is None or slowest >= self.rate)


@dataclass(frozen=True)
class Verdict:
    """What to take (None: nothing), as a title and a sentence."""

    title: str
    sentence: str
    take: Entry | None = None


def decide(rows: Sequence[Entry], limits: Limits) -> Verdict:
    """The most accurate network that meets the limits, and what its nearest rival gives up for being faster."""
    pool = fastest(rows, limits.batch, limits.precision)
    rated = [row for row in pool if row.top1 is not None]
    if not pool:
        return Verdict("Nothing was measured at this batch size and precision", "Choose others.")
    if not rated:
        first = pool[0]
        many = len({row.model for row in pool})
        who = "it" if many == 1 else f"any of the {many} networks"
        head = "Only network" if many == 1 else "Fastest"
        return Verdict(
            f"{head}: {first.network}, {time(first, limits.batch)} with {first.backend}",
            f"No Top-1 is known for {who}, so the most accurate can't be named.",
            first,
        )
    good = [row for row in rated if limits.meets(row)]
    if not good:
        best, many = rated[0], len({row.model for row in rated})
        who = "It" if many == 1 else f"The fastest, {best.network},"
        none = f"{best.network} does not meet" if many == 1 else f"None of {many} networks meets"
        return Verdict(
            f"{none} {'this limit' if _one(limits) else 'these limits'}: {asked(limits)}",
            f"{who} takes {time(best, limits.batch)} with {best.backend} and reaches {best.top1:.1f} % Top-1.",
        )
    take = max(good, key=lambda row: (row.top1 or 0, row.rate))
    return Verdict(
        f"Take {take.network}: {take.top1:.1f} % Top-1 in {time(take, limits.batch)} with {take.backend}",
        _because(take, good, rated, limits),
        take,
    )


def _because(take: Entry, good: list[Entry], rated: list[Entry], limits: Limits) -> str:
    within = asked(limits)
    many, met = len({row.model for row in rated}), len({row.model for row in good})  # one that was timed at two input sizes is one network
    if many == 1:
        first = f"It is the only network here{', and it meets the limit: ' + within if within else ''}."
    elif not within:
        first = f"It is the most accurate of {many} networks; no limit is set."
    elif met == 1:
        first = f"It is the only one of {many} networks that meets the limit: {within}."
    elif met == many:
        first = f"All {many} networks meet the limit ({within}); it is the most accurate."
    else:
        first = f"It is the most accurate of the {met} networks (of {many}) that meet the limit: {within}."
    return " ".join(filter(None, [first, _rival(take, good), _unsure(take)]))


def _unsure(take: Entry) -> str:
    if take.low is not None:
        return ""
    return (
        "Imported times carry no interval."
        if take.trust.startswith("imported")
        else "Its time is that of one process, so it carries no interval."
    )


def _rival(take: Entry, good: list[Entry]) -> str:
    """The next most accurate that is faster beyond both intervals."""
    faster = [row for row in good if row is not take and (row.high or row.ms) / row.batch < (take.low or take.ms) / take.batch]
    if not faster:
        return ""
    other = max(faster, key=lambda row: (row.top1 or 0, row.rate))
    gap, times = (take.top1 or 0) - (other.top1 or 0), other.rate / take.rate
    lost = f"gives up {gap:.1f} {'point' if f'{gap:.1f}' == '1.0' else 'points'}" if f"{gap:.1f}" != "0.0" else "is as accurate"
    chance = " (too little for ImageNet’s 50,000 images to tell apart)" if 0.05 <= gap < SEEN else ""
    return f"{other.network} {lost}{chance} and is {significant(times, 2)} times as fast."


def _one(limits: Limits) -> bool:
    return sum(value is not None for value in (limits.ms, limits.rate, limits.top1, limits.mib, limits.mj)) < 2


def asked(limits: Limits) -> str:
    """The limits in words; empty where there is none."""
    said = []
    if limits.ms is not None:
        pace = f" ({significant(1e3 / limits.ms, 2)} images/s)" if limits.batch < 2 else ""
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
    return f"{significant(row.ms, 3)} ms" + (f" per batch of {batch}" if batch > 1 else "")
