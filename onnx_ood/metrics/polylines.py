"""Pieces of zero sets joined to lines, and lines with no more points than they need."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from onnx_ood._types import Float
from onnx_ood.metrics.contours import ZeroLines


class Polyline(NamedTuple):
    """A line through points.

    Attributes:
        unit: The function whose zero set it belongs to.
        points: (row, column) in units of the grid, float64 [K, 2]; the first once more at the end where it is closed.
    """

    unit: int
    points: Float


def polylines(lines: ZeroLines) -> list[Polyline]:
    """Joins pieces whose ends are on the same edges of the grid.

    Args:
        lines: Pieces; of one function no more than two end on an edge.

    Returns:
        Lines from rim to rim (of the grid, or of what is not finite), and closed ones; those of one function stand
        together, open ones first.
    """
    keys = (lines.unit[:, np.newaxis] * (lines.edges.max(initial=0) + 1) + lines.edges).ravel()
    order = np.argsort(keys, kind="stable")
    shared = np.flatnonzero(keys[order[1:]] == keys[order[:-1]])
    # End 2s + i is end i of piece s; −1 where no other piece goes on.
    beyond = np.full(len(keys), -1, np.int64)
    beyond[order[shared]], beyond[order[shared + 1]] = order[shared + 1], order[shared]
    flat = lines.ends.reshape(-1, 2)
    follow = beyond.tolist()
    used = bytearray(len(lines.unit))
    found = []
    # By the number of their edge: the same lines whichever way pieces come.
    for start in [*order[beyond[order] < 0].tolist(), *order.tolist()]:
        if used[start // 2]:
            continue
        way, end = [start], start
        while end >= 0 and not used[end // 2]:
            used[end // 2] = True
            way.append(end ^ 1)
            end = follow[end ^ 1]
        found.append(Polyline(int(lines.unit[start // 2]), flat[way]))
    return sorted(found, key=lambda line: line.unit)


def simplified(points: Float, tolerance: float) -> Float:
    """Leaves out points of a line that are hardly off the straight way between those kept.

    D. Douglas and T. Peucker, "Algorithms for the reduction of the number of points required to represent a digitized
    line or its caricature", Cartographica 10 (2), 1973.

    Args:
        points: [K, 2], K ≥ 1.
        tolerance: How far off a point that is left out may be, in the points' units.

    Returns:
        Some of the points, the first and the last among them.
    """
    kept = np.zeros(len(points), bool)
    kept[[0, -1]] = True
    waiting = [(0, len(points) - 1)]
    while waiting:
        first, last = waiting.pop()
        if last - first < 2:
            continue
        distances = _distances(points[first + 1 : last], points[first], points[last])
        furthest = int(distances.argmax())
        if distances[furthest] > tolerance:
            middle = first + 1 + furthest
            kept[middle] = True
            waiting += [(first, middle), (middle, last)]
    return points[kept]


def _distances(points: Float, start: Float, end: Float) -> Float:
    """Distances of points from the segment between two others, [K]."""
    along = end - start
    length = along @ along
    share = np.clip((points - start) @ along / length, 0, 1) if length > 0 else np.zeros(len(points))
    off: Float = np.linalg.norm(points - start - share[:, np.newaxis] * along, axis=1)
    return off
