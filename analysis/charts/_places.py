"""Places for names in charts of the page, px by px: inside the panel, on no other name, beside their points."""

import math
from collections.abc import Sequence

STRIDE = 9
LETTER, LINE = 7.3, 13  # px that a letter of a name takes at most, and a line of names
NEAR, MARGIN = 20, 3  # px up to which a name needs no line, and by which other points are farther from it than its own
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
        found = beside(px, py, width, avoid, taken, panel, gaps, [*points, *rest])
        if found:
            return found
    for cy in sorted(range(int(panel[1]) + 7, int(panel[3]) - 6, LINE), key=lambda c: abs(c - py)):
        for cx in sorted(range(int(panel[0] + width / 2) + 1, int(panel[2] - width / 2), 12), key=lambda c: abs(c - px)):
            box = (cx - width / 2, cy - LINE / 2, cx + width / 2, cy + LINE / 2)
            if _free(box, (), taken, panel):
                return box, True
    return (panel[0], panel[1], panel[0] + width, panel[1] + LINE), True


def beside(
    px: float, py: float, width: float, avoid: Points, taken: Sequence[Box], panel: Box, gaps: Sequence[int], others: Points = ()
) -> tuple[Box, bool] | None:
    """The nearest free place at one of the gaps, or None. A name without a line is nearer to its own point than to any of the others."""
    for gap in gaps:
        for angle in ANGLES:
            dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            cx, cy = px + dx * gap + (dx > 0.3) * width / 2 - (dx < -0.3) * width / 2, py + dy * gap
            box = (cx - width / 2, cy - LINE / 2, cx + width / 2, cy + LINE / 2)
            if _free(box, avoid, taken, panel) and (gap > NEAR or _own(box, px, py, others)):
                return box, gap > NEAR
    return None


def _own(box: Box, px: float, py: float, others: Points) -> bool:
    most = _apart(box, px, py) + MARGIN
    return all(_apart(box, x, y) > most for x, y in others if (x, y) != (px, py))


def _apart(box: Box, x: float, y: float) -> float:
    return math.hypot(max(box[0] - x, 0, x - box[2]), max(box[1] - y, 0, y - box[3]))


def _free(box: Box, points: Sequence[tuple[float, float]], taken: Sequence[Box], panel: Box) -> bool:
    inside = box[0] >= panel[0] and box[1] >= panel[1] and box[2] <= panel[2] and box[3] <= panel[3]
    clear = not any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken)
    return inside and clear and not any(box[0] - 5 < x < box[2] + 5 and box[1] - 4 < y < box[3] + 4 for x, y in points)
