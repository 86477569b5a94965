"""A search in words: what came of each step, and the answer."""

import numpy as np
import pandas as pd

from analysis.frame import noise
from analysis.frame.metrics import MILLI
from analysis.predict import limits as bounds
from analysis.predict import search
from analysis.predict.conformal import COVERAGE
from analysis.predict.contenders import HALF, unlike
from analysis.predict.searching import REPLICATES, State, Task, replicates
from analysis.predict.show import said

OPTIONS = {"latency_s": "--max-latency-ms", "memory_mb": "--max-memory-mb", "energy_j": "--max-energy-j"}
SURE = 0.99  # below this the answer says how sure it is


def outcome(now: State, row: int) -> str:
    """What came of measuring a row, in words."""
    if row in now.records:
        record, met = now.records[row], "meets" if now.met(row) else "misses"
        busy = " beside busy neighbours" if record["contended"] else ""
        agrees = "; its outputs were not found to agree with fp32's" if unlike(record) else ""
        return f"{MILLI * float(record['latency_s']):.3g} ms{busy}, {met} {limits_of(now.task)}{agrees}; {standing(now)}"
    return f"can't run here: {now.reasons.get(row, 'no record')}"


def limits_of(task: Task) -> str:
    """`the limit`, or `the limits` where there are several."""
    return "the limit" if len(task.limits.given()) == 1 else "the limits"


def standing(now: State) -> str:
    """The best so far and the chance that a better one is left."""
    if now.choice.best is None:
        return f"none meets {limits_of(now.task)} yet"
    candidate, arm = now.task.of(now.choice.best)
    return f"best so far {candidate.model} at {candidate.input_px} px in {arm} with {candidate.top1:.1f} %, chance of a better one {100 * now.choice.doubt:.0f} %"


def text(now: State, why: str = "") -> str:
    """The answer: the best network measured, runners-up, how many were looked at, what is left unknown, and why the search ended."""
    task, choice = now.task, now.choice
    ways = f" in each of {len(task.arms)} set-ups" if len(task.arms) > 1 else ""
    failed = f"; {len(now.reasons)} can't run here" if now.reasons else ""
    lines = [f"{len(now.records)} measured, of {len(task.candidates)} networks (each input size counts){ways}{failed}"]
    busy = sum(bool(record["contended"]) for record in now.records.values())
    if busy:
        lines.append(f"{busy} of them beside busy neighbours: what misses {limits_of(task)} may do better on a quiet machine")
    if choice.best is None:
        return "\n".join([*lines, *_none(now), *([why] if why else [])])
    met = sorted(filter(now.met, now.records), key=lambda row: (-now.pool.top1[row], now.records[row]["latency_s"]))
    lines.append(f"the best that meets {limits_of(task)}: {_line(now, choice.best)}")
    lines += [f"  runner-up: {_line(now, row)}" for row in [r for r in met if r != choice.best][:3]]
    lines.append(f"chance that an unmeasured one is better by more than {search.GAIN:g} points: {100 * choice.doubt:.0f} %")
    count = replicates(now, choice.best)
    if count < REPLICATES:
        lines.append(
            f"the best was measured by {'one process' if count == 1 else f'{count} processes'}; {REPLICATES} at different moments say how far it spreads"
        )
    return "\n".join([*lines, *([why] if why else [])])


def _line(now: State, row: int) -> str:
    candidate, _ = now.task.of(row)
    record = now.records[row]
    interval = noise.bounds(pd.DataFrame([record]), COVERAGE)
    low, high = interval["low_s"].iloc[0], interval["high_s"].iloc[0]
    spread = f" ({MILLI * low:.3g} to {MILLI * high:.3g})" if low == low else ""
    limit = now.task.limits.latency_s
    sure = bounds.chance(pd.DataFrame([{"latency_s": record["latency_s"], "latency_s_low": low, "latency_s_high": high}]), "latency_s", limit)[0] if spread and limit else 1.0  # fmt: skip
    terms = (f", {100 * sure:.0f} % sure to meet the limit" if sure < SURE else "") + (f"; {candidate.terms}" if candidate.terms else "")
    terms += f"; Top-1 of fp32, {record['precision']} passed parity" if record["precision"] in HALF else ""
    terms += "; beside a busy neighbour" if record["contended"] else ""
    return f"{now.task.named(row)}: Top-1 {candidate.top1:.1f} % ({candidate.weights}), {MILLI * float(record['latency_s']):.3g} ms{spread}{terms}"


def _none(now: State) -> list[str]:
    """Nothing meets the limits: what to relax, by the least that was measured and, of the latency, that is expected."""
    if not now.records:
        why = next(iter(now.reasons.values()), "nothing was measured yet")
        return [f"nothing could be measured here: {why}"]
    lines = [f"no measured network meets {limits_of(now.task)}"]
    for name in (name for name in OPTIONS if name in now.task.limits.given()):
        known = [row for row in now.records if float(now.records[row][name]) > 0]
        if not known:
            lines.append(f"  {bounds.NAMES[name]} was measured of no network here: leave {OPTIONS[name]} out")
            continue
        least = min(known, key=lambda row: now.records[row][name])
        lines.append(f"  least {bounds.NAMES[name]} measured: {said(name, float(now.records[least][name]))}, {_line(now, least)}")
    if now.task.limits.latency_s is not None:
        guess = int(np.argmin(np.where(np.isin(np.arange(len(now.pool)), now.seen.failed), np.inf, now.choice.mean)))
        expected = said("latency_s", float(np.exp(now.choice.mean[guess])))
        lines.append(
            f"  fastest expected: {now.task.named(guess)}, {expected}: relax --max-latency-ms to that{', or --min-top1' * (now.task.limits.top1 is not None)}"
        )
    return lines
