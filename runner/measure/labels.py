"""Labels of a record: what a reader must know before trusting its numbers."""

from typing import List

from runner.measure import sampling, stopping, trend
from runner.networks import weights
from runner.records.line import Line
from runner.records.replicate import Replicate

PARITY_LIMIT = {"fp32": 1e-3, "tf32": 0.02}  # largest relative difference that goes without a label; OTHER_LIMIT for coarser formats
OTHER_LIMIT = 0.1
NOISY = 0.1
DRIFT = 0.05
QUOTA = 0.01  # of the time in which a CPU quota stopped the process: some calls then take a period of it longer
DISAGREE = 0.1  # between the slowest and the fastest process, where the limit on replicates ended a cell


def quality(line: Line) -> List[str]:
    """The labels of a cell's record, from its replicates, parity and sensitivity."""
    labels = []
    replicates = line.replicates
    if any(replicate.contended for replicate in replicates):
        labels.append("contended")
    if any((replicate.contention.get("throttled_share") or 0.0) > QUOTA for replicate in replicates):
        labels.append("quota")
    if is_drifting(replicates):
        labels.append("drifting")
    if any(sampling.throttled(replicate.sensors) for replicate in replicates):
        labels.append("throttled")
    if replicates and stopping.median([stopping.noise(sorted(replicate.samples_s)) for replicate in replicates]) > NOISY:
        labels.append("noisy")
    if line.ended == "limit" and spread(replicates) > DISAGREE:
        labels.append("replicates disagree")
    if line.parity and not (line.parity["max_rel"] is not None and line.parity["max_rel"] <= parity_limit(line.cell.precision)):
        labels.append("parity")
    if line.sensitivity is not None and line.sensitivity < weights.DEGENERATE:
        labels.append("degenerate")
    return labels


def parity_limit(precision: str) -> float:
    """The largest relative difference to the fp32 PyTorch reference that outputs of this precision may have without a label."""
    return PARITY_LIMIT.get(precision, OTHER_LIMIT)


def is_drifting(replicates: List[Replicate]) -> bool:
    """Whether most processes, and more than one where there are several, get slower, or faster, by more than DRIFT within their samples.

    One of several that drifts met a restless moment, which the spread of the processes shows; all of them were measured too early, or heat up.
    """
    trends = [trend.trend(replicate.samples_s) for replicate in replicates]
    slower, faster = (sum(one is not None and one.is_sure and sign * one.change > DRIFT for one in trends) for sign in (1, -1))
    return bool(replicates) and max(slower, faster) > len(replicates) / 2.0


def spread(replicates: List[Replicate]) -> float:
    """How much slower the slowest process is than the fastest, relative."""
    medians = [stopping.median(replicate.samples_s) for replicate in replicates]
    return max(medians) / min(medians) - 1 if medians and min(medians) > 0 else 0.0
