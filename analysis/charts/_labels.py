"""Names beside points that overlap neither one another nor a point: placed greedily, then improved, all in pixels.

Written because markers here have sizes: an allocator that takes points for points puts names onto bubbles.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

ANGLES = np.deg2rad(np.arange(0, 360, 20))
GAPS = (1.5, 6, 14, 24, 38, 56, 78, 104)  # px at 100 dpi between a marker's edge and its name
PASSES = 3
# What a place costs. Two names on one another are the one thing that never happens: such a name is left out.
ON_NAME, ON_MARKER, LEADER_ON_NAME, LEADER_ON_MARKER, LEADERS_CROSS, ON_LINE, PER_PX = 1e5, 60.0, 40.0, 6.0, 25.0, 30.0, 0.35
PAD = 1.2


def place(axis: Axes, x: Sequence[float], y: Sequence[float], names: Sequence[str], radii: Sequence[float], obstacles: np.ndarray, lines: np.ndarray,
          size: float, colour: str, line_colour: str) -> list[str]:  # fmt: skip
    """Write names beside (x, y) in data coordinates; returns those that had no place.

    radii: of the named points' markers, px. obstacles: (n, 3) array of x, y, radius in px, of all points. lines: (m, 2) points in px along lines to keep off.
    The figure's layout must be settled.
    """
    if not len(names):
        return []
    centres = axis.transData.transform(np.column_stack([x, y]).astype(float))
    widths, heights = _extents(axis, names, size)
    bounds = axis.get_window_extent()
    options = [_options(c, r, w, h, bounds) for c, r, w, h in zip(centres, radii, widths, heights, strict=True)]
    spread = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    order = np.argsort(np.sort(spread, axis=1)[:, 1 : min(4, len(names))].sum(axis=1)) if len(names) > 1 else [0]
    fixed = [_fixed(o, c, obstacles, lines) for o, c in zip(options, centres, strict=True)]
    chosen: dict[int, int] = {}
    for _ in range(PASSES):
        for i in order:
            if len(options[i]):
                others = [(options[j][k], centres[j]) for j, k in chosen.items() if j != i]
                chosen[i] = int(np.argmin(fixed[i] + _against(options[i], centres[i], others)))
    left_out = []
    kept: list[int] = []
    for i in order:
        if (
            i not in chosen
            or _against(options[i][[chosen[i]]], centres[i], [(options[j][chosen[j]], centres[j]) for j in kept])[0] >= ON_NAME
        ):
            left_out.append(names[i])
            continue
        kept.append(i)
        _write(axis, names[i], options[i][chosen[i]], centres[i], radii[i], size, colour, line_colour)
    return left_out


def _extents(axis: Axes, names: Sequence[str], size: float) -> tuple[np.ndarray, np.ndarray]:
    renderer = axis.figure._get_renderer()  # type: ignore[union-attr]
    probe = axis.text(0, 0, "", fontsize=size, transform=None)
    found = []
    for name in names:
        probe.set_text(name)
        box = probe.get_window_extent(renderer)
        found.append((box.width, box.height))
    probe.remove()
    width, height = np.array(found).T
    return width + 2 * PAD, height + PAD


def _options(centre: np.ndarray, radius: float, width: float, height: float, bounds: object) -> np.ndarray:
    """Boxes x0, y0, x1, y1 around a marker, nearest first, inside the axes."""
    boxes = []
    for gap in GAPS:
        for angle in ANGLES:
            dx, dy = np.cos(angle), np.sin(angle)
            at = centre + (radius + gap) * np.array([dx, dy])
            middle = at + np.array([width / 2 * dx / max(abs(dx), abs(dy)), height / 2 * dy / max(abs(dx), abs(dy))])
            boxes.append((middle[0] - width / 2, middle[1] - height / 2, middle[0] + width / 2, middle[1] + height / 2))
    found = np.array(boxes)
    inside = (found[:, 0] >= bounds.x0) & (found[:, 1] >= bounds.y0) & (found[:, 2] <= bounds.x1 + 3) & (found[:, 3] <= bounds.y1)  # type: ignore[attr-defined]
    return found[inside]


def _leaders(boxes: np.ndarray, centre: np.ndarray, count: int = 9) -> np.ndarray:
    """Points along the line from the centre to each box: (boxes, count, 2)."""
    ends = np.clip(centre, boxes[:, :2], boxes[:, 2:])
    share = np.linspace(0.1, 0.95, count)[None, :, None]
    return centre + share * (ends[:, None, :] - centre)


def _distance(boxes: np.ndarray, centre: np.ndarray) -> np.ndarray:
    return np.linalg.norm(np.clip(centre, boxes[:, :2], boxes[:, 2:]) - centre, axis=1)


def _fixed(boxes: np.ndarray, centre: np.ndarray, obstacles: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Cost of each box by what does not move: distance, markers, lines."""
    cost = PER_PX * _distance(boxes, centre)
    if len(obstacles):
        near = np.clip(obstacles[None, :, :2], boxes[:, None, :2], boxes[:, None, 2:])
        cost += ON_MARKER * (np.linalg.norm(near - obstacles[None, :, :2], axis=2) < obstacles[None, :, 2]).sum(axis=1)
        others = obstacles[np.linalg.norm(obstacles[:, :2] - centre, axis=1) > 1e-6]
        if len(others):
            away = np.linalg.norm(_leaders(boxes, centre)[:, :, None, :] - others[None, None, :, :2], axis=3)
            cost += LEADER_ON_MARKER * (away < others[None, None, :, 2]).any(axis=1).sum(axis=1)
    if len(lines):
        inside = (lines[None, :, :] >= boxes[:, None, :2]).all(axis=2) & (lines[None, :, :] <= boxes[:, None, 2:]).all(axis=2)
        cost += ON_LINE * np.any(inside, axis=1)
    return cost


def _against(boxes: np.ndarray, centre: np.ndarray, others: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Cost of each box by the names that are placed: overlaps, leaders through names, leaders that cross."""
    cost = np.zeros(len(boxes))
    if not others:
        return cost
    placed = np.array([box for box, _ in others])
    overlap = (boxes[:, None, :2] < placed[None, :, 2:]).all(axis=2) & (boxes[:, None, 2:] > placed[None, :, :2]).all(axis=2)
    cost += ON_NAME * overlap.sum(axis=1)
    mine = _leaders(boxes, centre)
    cost += LEADER_ON_NAME * np.any(_within(mine[:, :, None, :], placed[None, None]), axis=1).sum(axis=1)
    theirs = np.concatenate([_leaders(box[None], c)[0] for box, c in others])
    cost += LEADER_ON_NAME * np.any(_within(theirs[None], boxes[:, None]), axis=1)
    ends = np.clip(centre, boxes[:, :2], boxes[:, 2:])
    for box, c in others:
        cost += LEADERS_CROSS * _cross(centre, ends, c, np.clip(c, box[:2], box[2:]))
    return cost


def _within(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Whether points (..., 2) lie strictly inside boxes (..., 4), coordinate by coordinate: reducing over an axis of two costs five times as much."""
    x, y = points[..., 0], points[..., 1]
    return np.asarray((x > boxes[..., 0]) & (y > boxes[..., 1]) & (x < boxes[..., 2]) & (y < boxes[..., 3]))


def _cross(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Whether the segments a-b (many b) cross the segment c-d."""

    def side(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> np.ndarray:
        return np.sign((q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (r[..., 0] - p[..., 0]))

    return (side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0)


def _write(axis: Axes, name: str, box: np.ndarray, centre: np.ndarray, radius: float, size: float, colour: str, line_colour: str) -> None:
    back = axis.transData.inverted()
    middle = back.transform((box[:2] + box[2:]) / 2)
    text = axis.text(middle[0], middle[1], name, fontsize=size, color=colour, ha="center", va="center", zorder=6)
    text.set_in_layout(False)
    end = np.clip(centre, box[:2] + PAD, box[2:] - PAD)
    away = np.linalg.norm(end - centre)
    if away > radius + 5:
        start = centre + (end - centre) * radius / away
        (x0, y0), (x1, y1) = back.transform([start, end])
        line = Line2D([x0, x1], [y0, y1], color=line_colour, linewidth=0.45, zorder=2.5)
        line.set_in_layout(False)
        axis.add_artist(line)  # an artist, no line: the axis must not rescale
