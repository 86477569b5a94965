"""The first screen's chart as inline SVG: Top-1 against time, the frontier named, the region within the limits shaded.

`templates/decide.js` draws the same in the browser, as wide as the window allows; this one is for the first paint and for readers without scripts.
"""

import math
from collections.abc import Sequence
from html import escape

from analysis.charts import _style as styles
from analysis.charts._places import GAPS, LETTER, Box, Points, along, beside, place
from analysis.report.entries import Entry, frontier, short
from analysis.report.verdict import Limits

WIDTH, HEIGHT = 640, 460
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 24, 44
DIM_LETTER = 6.4  # of a name in ordinary weight
FEW = 80  # networks up to which those behind the frontier have intervals and names


def svg(pool: Sequence[Entry], limits: Limits, taken: Entry | None) -> str:
    """The chart of the fastest set-up of each network (fastest first); an empty text where fewer than one has a Top-1."""
    rated = [row for row in pool if row.top1 is not None]
    if not rated:
        return ""
    on = frontier([row for row in rated if row.measured])
    named = on + [row for row in frontier(rated) if not row.measured]
    per = [row.batch if not limits.batch else 1 for row in rated]
    xs = [row.ms / share for row, share in zip(rated, per, strict=True)]
    low, high = min([*xs, limits.ms or xs[0]]) / 1.25, max([*xs, limits.ms or xs[0]]) * 1.25
    tops = [row.top1 or 0.0 for row in rated]
    bottom, top = max(0.0, math.floor(min(tops) - 2)), min(100.0, math.ceil(max(tops) + 2))

    def x(ms: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(ms / low) / math.log(high / low)

    def y(top1: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (top1 - bottom) / (top - bottom)

    out = [_axes(low, high, bottom, top, x, y, limits, len(named) > len(on), any(row.low for row in on))]
    at = {id(row): (x(ms), y(row.top1 or 0)) for row, ms in zip(rated, xs, strict=True)}
    steps = (
        ""
        if not on
        else " ".join(
            f"{'M' if i == 0 else 'H'}{at[id(row)][0]:.1f}{' ' if i == 0 else ' V'}{at[id(row)][1]:.1f}" for i, row in enumerate(on)
        )
    )
    out.append(f'<path class="front" d="{steps}"/>')
    corners = [at[id(row)] for row in on]
    ink = [p for (ax, ay), (bx, by) in zip(corners, corners[1:], strict=False) for p in (*along(ax, ay, bx, ay), *along(bx, ay, bx, by))]
    front = {id(row) for row in named}
    for row in sorted(rated, key=lambda row: id(row) in front):
        px, py = at[id(row)]
        share = row.batch if not limits.batch else 1
        if row.low and row.high and (id(row) in front or len(rated) < FEW):
            ends = max(LEFT, x(row.low / share)), min(WIDTH - RIGHT, x(row.high / share))
            out.append(f'<path class="bar" d="M{ends[0]:.1f} {py:.1f}H{ends[1]:.1f}"/>')
            ink += along(ends[0], py, ends[1], py)
        kind = "pt on" if id(row) in front else "pt"
        kind += " take" if row is taken else " in" if limits.meets(row) else ""
        kind += "" if row.measured else " hollow"
        out.append(f'<circle class="{kind}" cx="{px:.1f}" cy="{py:.1f}" r="{6 if row is taken else 4.5 if id(row) in front else 3.5}" style="--c:{styles.family(row.family)[0]}"><title>{escape(row.network)}</title></circle>')  # fmt: skip
    out += _names(sorted(named, key=lambda row: -row.rate), [row for row in rated if id(row) not in front], at, ink)
    body = "".join(out)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Top-1 against time; the table says the same">{body}</svg>'


def ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each power of ten, the powers alone of a wide range; all nine steps where fewer than two of these lie inside."""

    def of(steps: Sequence[int]) -> list[float]:
        return [value for power in range(-4, 8) for step in steps if low <= (value := float(f"{step}e{power}")) <= high]

    usual = of((1, 2, 5) if high / low < 400 else (1,))
    return usual if len(usual) > 1 else of(range(1, 10))


def _axes(low: float, high: float, bottom: float, top: float, x, y, limits: Limits, guesses: bool, bars: bool) -> str:  # type: ignore[no-untyped-def]
    left, right, upper, lower = LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM
    out = []
    edge, floor = (x(limits.ms) if limits.ms else right), (y(max(limits.top1, bottom)) if limits.top1 else lower)
    if edge > left and floor > upper:
        out.append(f'<rect class="region" x="{left}" y="{upper}" width="{edge - left:.1f}" height="{floor - upper:.1f}"/>')
    for value in ticks(low, high):
        out.append(f'<path class="grid" d="M{x(value):.1f} {upper}V{lower}"/><text class="tick" x="{x(value):.1f}" y="{lower + 15}" text-anchor="middle">{value:,.10g}</text>')  # fmt: skip
    stride = next(s for s in (1, 2, 5, 10, 20) if (top - bottom) / s <= 8)
    for tick in range(int(math.ceil(bottom / stride) * stride), int(top) + 1, stride):
        out.append(f'<text class="tick" x="{left - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick}</text>')
    if limits.ms:
        out.append(f'<path class="limit" d="M{edge:.1f} {upper}V{lower}"/>')
    if limits.top1:
        out.append(f'<path class="limit" d="M{left} {floor:.1f}H{right}"/>')
    unit = "ms per image" if limits.batch == 0 else "ms" if limits.batch == 1 else f"ms per batch of {limits.batch}"
    out.append(f'<text class="tick" x="{left}" y="14">Top-1, %</text>')
    out.append(f'<text class="tick" x="{(left + right) / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">median time, {unit} (logarithmic{"; bar = 95 % interval" if bars else ""}{"; hollow = predicted, 90 %" if guesses else ""})</text>')  # fmt: skip
    return "".join(out)


def _names(on: Sequence[Entry], others: Sequence[Entry], at: dict[int, tuple[float, float]], ink: Points) -> list[str]:
    """A name for every point of the frontier, inside the panel and on no other name, far ones with a line; for the others where there is room beside them."""
    points, rest = [at[id(row)] for row in on], [at[id(row)] for row in others] if len(others) < FEW else []
    taken: list[Box] = []
    out = []
    panel = (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM)
    for row, (px, py) in reversed(list(zip(on, points, strict=True))):  # the most accurate get the nearest places
        word = short(row.network)
        box, far = place(px, py, LETTER * len(word), points, rest, ink, taken, panel)
        taken.append(box)
        if far:
            out.append(f'<path class="lead" d="M{px:.1f} {py:.1f}L{min(max(px, box[0]), box[2]):.1f} {min(max(py, box[1]), box[3]):.1f}"/>')
        out.append(f'<text class="name" x="{(box[0] + box[2]) / 2:.1f}" y="{box[3] - 3:.1f}" text-anchor="middle">{escape(word)}</text>')
    for row, (px, py) in zip(others, rest, strict=False):
        word = short(row.network)
        near = beside(px, py, DIM_LETTER * len(word), [*points, *rest, *ink], taken, panel, GAPS[:1], [*points, *rest])
        if near:
            taken.append(near[0])
            out.append(f'<text class="dim" x="{(near[0][0] + near[0][2]) / 2:.1f}" y="{near[0][3] - 3:.1f}" text-anchor="middle">{escape(word)}</text>')  # fmt: skip
    return out
