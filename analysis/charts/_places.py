"""Places for names in charts of the page, px by px: inside the panel, on no other name, beside their points."""

import math
from collections.abc import Sequence

STRIDE = 9
LETTER, LINE = 7.3, 13  # px that a letter of a name takes at most, and a line of names
GAPS = (9, 20, 34, 50, 70, 94, 122, 156, 196, 240, 290)
ANGLES = (
    225,
    200,
    250,
    270,
    180,
    160,
    45,
    20,
    0,
    315,
    340,
    90,
    135,
)  # degrees from the point, clockwise from the right: upper left is empty
Box = tuple[float, float, float, float]
Points = Sequence[tuple[float, float]]


def along(ax: float, ay: float, bx: float, by: float) -> list[tuple[float, float]]:
    """Points along a line, close enough together that no name lies between two."""
    steps = max(1, math.ceil(math.hypot(bx - ax, by - ay) / STRIDE))
    return [(ax + (bx - ax) * at / steps, ay + (by - ay) * at / steps) for at in range(steps + 1)]


def place(
    px: float, py: float, width: float, points: Points, rest: Points, ink: Points, taken: Sequence[Box], panel: Box
) -> tuple[Box, bool]:
    """(box, whether it needs a line): the nearest free place for a name beside a point; on lines (`ink`) and other points only where nothing else is left."""
    for avoid, gaps in (([*points, *rest, *ink], GAPS[:6]), ([*points, *rest], GAPS[:5]), (points, GAPS), ((), GAPS)):
        found = beside(px, py, width, avoid, taken, panel, gaps)
        if found:
            return found
    for cy in sorted(range(int(panel[1]) + 7, int(panel[3]) - 6, LINE), key=lambda c: abs(c - py)):
        for cx in sorted(range(int(panel[0] + width / 2) + 1, int(panel[2] - width / 2), 12), key=lambda c: abs(c - px)):
            box = (cx - width / 2, cy - LINE / 2, cx + width / 2, cy + LINE / 2)
            if _free(box, (), taken, panel):
                return box, True
    return (panel[0], panel[1], panel[0] + width, panel[1] + LINE), True


def beside(
    px: float, py: float, width: float, avoid: Points, taken: Sequence[Box], panel: Box, gaps: Sequence[int]
) -> tuple[Box, bool] | None:
    """The nearest free place at one of the gaps, or None."""
    for gap in gaps:
        for angle in ANGLES:
            dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            cx, cy = px + dx * gap + (dx > 0.3) * width / 2 - (dx < -0.3) * width / 2, py + dy * gap
            box = (cx - width / 2, cy - LINE / 2, cx + width / 2, cy + LINE / 2)
            if _free(box, avoid, taken, panel):
                return box, gap > 20
    return None


def _free(box: Box, points: Sequence[tuple[float, float]], taken: Sequence[Box], panel: Box) -> bool:
    inside = box[0] >= panel[0] and box[1] >= panel[1] and box[2] <= panel[2] and box[3] <= panel[3]
    clear = not any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken)
    return inside and clear and not any(box[0] - 5 < x < box[2] + 5 and box[1] - 4 < y < box[3] + 4 for x, y in points)
