"""Devices side by side: each network's fastest time on every device, as a table, a slope chart and a sentence of paired ratios."""

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from analysis.charts import _style as styles
from analysis.frame.cached import computed_once
from analysis.frame.metrics import significant
from analysis.report.entries import Entry, entries, fastest, short
from analysis.stats import intervals

WIDTH, ROW, TOP = 1100, 13, 34
LEFT, RIGHT = 190, 190  # room for names
MOST = 60  # networks, beyond which lines can't be told apart
LEAST = 8  # pairs, below which a ratio has no interval worth the name


@computed_once
def fast(frame: pd.DataFrame) -> dict[str, dict[str, Entry]]:
    """For each device the fastest set-up of each network, one image at a time; devices that have such times only, slowest first."""
    rows = entries(frame)
    found = {
        name: {row.network: row for row in fastest([r for r in rows if r.device == name], 1)}
        for name in dict.fromkeys(r.device for r in rows)
    }
    found = {name: mine for name, mine in found.items() if mine}
    return dict(sorted(found.items(), key=lambda item: -float(np.median([row.ms for row in item[1].values()]))))


def table(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per network, most accurate first: its fastest time on every device."""
    found = fast(frame)
    lines: dict[str, dict[str, Any]] = {}
    for name, mine in found.items():
        for network, row in mine.items():
            lines.setdefault(network, {"label": network, "top1": row.top1})[f"{name}, ms"] = row.ms
    made = pd.DataFrame(list(lines.values()), columns=["label", "top1", *(f"{name}, ms" for name in found)])
    return made.sort_values(["top1", "label"], ascending=[False, True], ignore_index=True)


def sentence(frame: pd.DataFrame) -> str:
    """How many times as fast each device is as the slowest, over the networks that both have."""
    found = fast(frame)
    if len(found) < 2:
        return "each network's fastest time, one image at a time"
    (slow, base), *others = found.items()
    said = []
    for name, mine in others:
        both = [base[network].ms / mine[network].ms for network in base if network in mine]
        if not both:
            said.append(f"{name} shares no network with {slow}")
            continue
        mean, low, high = intervals.geometric_mean(both)
        between = f" (95 % interval {significant(low, 2)} to {significant(high, 2)})" if len(both) >= LEAST and math.isfinite(low) else ""
        said.append(
            f"{name} is {significant(mean, 2)} times as fast as {slow}{between} over {len(both)} {'network' if len(both) == 1 else 'networks'} that both have"
        )
    return "One image at a time, " + "; ".join(said) + "."


def svg(frame: pd.DataFrame) -> str:
    """A slope chart: an axis for each device, a line for each network; empty where there are too few or too many."""
    found = fast(frame)
    shared = [
        network
        for network in dict.fromkeys(n for mine in found.values() for n in mine)
        if sum(network in mine for mine in found.values()) > 1
    ]
    if len(found) < 2 or not 2 <= len(shared) <= MOST:
        return ""
    height = TOP + 30 + ROW * max(18, len(shared))
    times = [found[name][network].ms for name in found for network in shared if network in found[name]]
    low, high = min(times) / 1.15, max(times) * 1.15
    places = {name: LEFT + (WIDTH - LEFT - RIGHT) * at / (len(found) - 1) for at, name in enumerate(found)}

    def y(ms: float) -> float:
        return height - 14 - (height - 14 - TOP) * math.log(ms / low) / math.log(high / low)

    out = []
    for name, x in places.items():
        out.append(
            f'<path class="grid" d="M{x:.1f} {TOP}V{height - 14}"/><text class="head" x="{x:.1f}" y="16" text-anchor="middle">{escape(name)}, ms</text>'
        )
        out += [f'<text class="tick" x="{x + 4:.1f}" y="{y(v) + 3:.1f}">{v:,.10g}</text>' for v in _ticks(low, high)] if 0 < list(found).index(name) < len(found) - 1 else []  # fmt: skip
    for network in shared:
        points = [(places[name], y(mine[network].ms), mine[network]) for name, mine in found.items() if network in mine]
        colour = styles.family(points[0][2].family)[0]
        told = "; ".join(f"{row.device} {significant(row.ms, 3)} ms with {row.backend}" for _, _, row in points)
        line = " ".join(f"{'M' if at == 0 else 'L'}{x:.1f} {py:.1f}" for at, (x, py, _) in enumerate(points))
        dots = "".join(f'<circle cx="{x:.1f}" cy="{py:.1f}" r="3" fill="{colour}"/>' for x, py, _ in points)
        out.append(f'<g class="slope" style="--c:{colour}"><title>{escape(network)}: {escape(told)}</title><path d="{line}"/>{dots}</g>')
    first, last = list(found)[0], list(found)[-1]
    for name, x, anchor in ((first, places[first] - 8, "end"), (last, places[last] + 8, "start")):
        own = [found[name][network] for network in shared if network in found[name]]
        for row, at in zip(own, _spread([y(row.ms) for row in own], TOP, height - 14), strict=True):
            words = f"{short(row.network)} {significant(row.ms, 3)}"
            out.append(f'<text class="end" x="{x:.1f}" y="{at + 3.5:.1f}" text-anchor="{anchor}">{escape(words)}</text>')
    return f'<div class="scroll"><svg id="slope" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Each network’s time on each device; the table says the same">{"".join(out)}</svg></div>'


def _ticks(low: float, high: float) -> list[float]:
    return [step * 10.0**power for power in range(-3, 6) for step in (1, 2, 5) if low <= step * 10.0**power <= high]


def _spread(wanted: Sequence[float], top: float, bottom: float) -> list[float]:
    """Places for lines of text near where they are wanted, ROW apart, inside the panel."""
    order = sorted(range(len(wanted)), key=lambda at: wanted[at])
    places = [0.0] * len(wanted)
    last = top - ROW
    for at in order:
        last = places[at] = max(wanted[at], last + ROW)
    limit = bottom + ROW
    for at in reversed(order):
        limit = places[at] = min(places[at], limit - ROW)
    return places
