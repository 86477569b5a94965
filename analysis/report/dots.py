"""A dot plot as inline SVG: a line per network, a mark per set-up, intervals as bars; for few numbers that a table would hide."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from analysis.charts import _style as styles
from analysis.frame.metrics import significant
from analysis.report.entries import short

WIDTH, ROW, TOP, BOTTOM, LEFT, RIGHT = 900, 16, 26, 34, 240, 20
MOST = 60  # lines of a figure; the table has them all
SHAPES = (
    "M-4 0A4 4 0 1 0 4 0A4 4 0 1 0 -4 0Z",
    "M-3.6-3.6H3.6V3.6H-3.6Z",
    "M0-5L5 0L0 5L-5 0Z",
    "M0-4.6L4.6 3.6H-4.6Z",
    "M0 4.6L4.6-3.6H-4.6Z",
)


@dataclass(frozen=True)
class Dot:
    """A mark on a line; `low` to `high` is its interval where it has one."""

    line: str
    series: str
    value: float
    low: float | None = None
    high: float | None = None
    family: str = ""


def svg(dots: Sequence[Dot], unit: str, title: str, log: bool = True, joined: bool = False, limit: float | None = None) -> str:
    """The figure, its lines in the order of their first marks; empty where there is nothing to draw. joined: a rule between the marks of a line."""
    lines = list(dict.fromkeys(dot.line for dot in dots))[:MOST]
    dots = [dot for dot in dots if dot.line in set(lines)]
    if not dots:
        return ""
    series = list(dict.fromkeys(dot.series for dot in dots))
    ends = [v for dot in dots for v in (dot.value, dot.low, dot.high) if v is not None] + ([limit] if limit else [])
    low, high = (min(ends) / 1.15, max(ends) * 1.15) if log else _padded(min(ends), max(ends))
    height = TOP + BOTTOM + ROW * len(lines)

    def x(value: float) -> float:
        share = math.log(value / low) / math.log(high / low) if log else (value - low) / (high - low)
        return LEFT + (WIDTH - LEFT - RIGHT) * share

    floor = height - BOTTOM
    out = [f'<text class="head" x="{LEFT}" y="15">{_legend(series)}</text>'] if len(series) > 1 else []
    for tick in ticks(low, high, log):
        out.append(f'<path class="grid" d="M{x(tick):.1f} {TOP}V{floor}"/><text class="tick" x="{x(tick):.1f}" y="{floor + 14}" text-anchor="middle">{tick:,.10g}</text>')  # fmt: skip
    out.append(f'<text class="tick" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{height - 4}" text-anchor="middle">{escape(unit)}</text>')
    if limit:
        out.append(f'<path class="limit" d="M{x(limit):.1f} {TOP}V{floor}"/>')
    for at, line in enumerate(lines):
        y = TOP + ROW * (at + 0.5)
        mine = [dot for dot in dots if dot.line == line]
        out.append(f'<text class="end" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(short(line))}</text>')
        if joined and len(mine) > 1:
            out.append(f'<path class="join" d="M{x(min(d.value for d in mine)):.1f} {y:.1f}H{x(max(d.value for d in mine)):.1f}"/>')
        for dot in mine:
            if dot.low is not None and dot.high is not None:
                out.append(f'<path class="bar" d="M{x(dot.low):.1f} {y:.1f}H{x(dot.high):.1f}"/>')
            told = f"{dot.line}{f', {dot.series}' if dot.series else ''}: {significant(dot.value, 3)}"
            out.append(f'<path class="mark" d="{SHAPES[series.index(dot.series) % len(SHAPES)]}" transform="translate({x(dot.value):.1f} {y:.1f})" style="--c:{styles.family(dot.family)[0] if dot.family else "var(--fill)"}"><title>{escape(told)}</title></path>')  # fmt: skip
    return f'<div class="scroll"><svg class="dots" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}; the table says the same">{"".join(out)}</svg></div>'


def _legend(series: Sequence[str]) -> str:
    signs = "●■◆▲▼"
    return escape("    ".join(f"{signs[at % len(signs)]} {name}" for at, name in enumerate(series))).replace(
        "    ", "&#160;&#160;&#160;&#160;"
    )


def _padded(low: float, high: float) -> tuple[float, float]:
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room


def ticks(low: float, high: float, log: bool) -> list[float]:
    """Round numbers between two ends: 1, 2 and 5 of each power of ten, or steps of one of these."""
    if log:
        found = [step * 10.0**power for power in range(-4, 9) for step in (1, 2, 5) if low <= step * 10.0**power <= high]
        return (
            found
            if len(found) < 9
            else [v for v in found if math.isclose(math.log10(v) % 1, 0, abs_tol=1e-9) or math.isclose(math.log10(v) % 1, 1, abs_tol=1e-9)]
        )
    step = next(s * 10.0**p for p in range(-4, 9) for s in (1, 2, 5) if (high - low) / (s * 10.0**p) <= 8)
    return [round(step * at, 10) for at in range(math.ceil(low / step), math.floor(high / step) + 1)]
