"""Contours: zero sets of functions sampled on a grid, as lines.

Marching squares, the two-dimensional form of W. Lorensen and H. Cline, "Marching cubes", SIGGRAPH 1987: the function is
linear along the edges of a cell; a saddle, with corners above zero on one diagonal only, is resolved by its mean.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float

# The corners of a cell as (row, column), in turn.
_CORNERS = ((0, 0), (0, 1), (1, 1), (1, 0))
# The corners that each edge joins, the upper or left one first, so that both of its cells find the same point on it.
_EDGES = ((0, 1), (1, 2), (3, 2), (0, 3))
# Row and column of the first corner of each edge, and 1 if it runs down.
_EDGE_POSITIONS = np.array([(0, 0, 0), (0, 1, 1), (1, 0, 0), (0, 0, 1)], np.int64)
# The pairs of edges that a line joins, by the set of corners above zero (bit c for corner c).
_LINES: dict[int, tuple[tuple[int, int], ...]] = {
    1: ((3, 0),),
    2: ((0, 1),),
    3: ((3, 1),),
    4: ((1, 2),),
    6: ((0, 2),),
    7: ((3, 2),),
}
# Saddles: corners 0 and 2 above, separated or connected through the middle.
_SEPARATED = ((3, 0), (1, 2))
_CONNECTED = ((0, 1), (2, 3))


class ZeroLines(NamedTuple):
    """Straight segments of zero sets.

    Attributes:
        ends: Ends as (row, column) in units of the grid, float64 [S, 2, 2].
        edges: Number of the grid edge that each end is on, int64 [S, 2]; unique in a grid.
        unit: Index of the function of each segment, int64 [S].
    """

    ends: Float
    edges: NDArray[np.int64]
    unit: NDArray[np.int64]


def zero_lines(values: NDArray[Any], first_row: int = 0) -> ZeroLines:
    """Find the zero sets of functions sampled on a grid.

    Only cells in which a function changes its sign take memory beyond three bytes per value.

    Args:
        values: [R, C, U] for U functions, of any floating dtype; 0 counts as below zero.
        first_row: Index of the first row in a larger grid. Lines of parts of a grid that share a row meet.

    Returns:
        One segment per cell and function that a zero set crosses, two if it does so twice. Cells with a
        non-finite corner are skipped.

    >>> zero_lines(np.array([[-1.0, 3.0], [-1.0, 1.0]])[..., np.newaxis]).ends
    array([[[0.  , 0.25],
            [1.  , 0.5 ]]])
    """
    above = values > 0
    case = np.zeros((max(len(values) - 1, 0), max(values.shape[1] - 1, 0), values.shape[2]), np.uint8)
    for bit, (r, c) in enumerate(_CORNERS):
        case |= above[r : r + case.shape[0], c : c + case.shape[1]].astype(np.uint8) << bit
    cells = np.stack(np.nonzero((case > 0) & (case < 15)))
    corners = np.stack(
        [values[cells[0] + r, cells[1] + c, cells[2]].astype(np.float64) for r, c in _CORNERS], axis=-1
    )
    finite = np.isfinite(corners).all(axis=-1)
    cells, corners = cells[:, finite], corners[finite]
    kind = case[tuple(cells)].astype(np.int64)
    # The zero set of −f is that of f.
    negated = kind > 7
    kind = np.where(negated, 15 - kind, kind)
    cells[0] += first_row
    parts = []
    for number in range(1, 8):
        where = kind == number
        if number == 5:
            # A saddle: the sign of the middle decides whether corners 0 and 2 are connected.
            middle = (corners.sum(axis=-1) > 0) != negated
            parts.append(_lines(cells, corners, where & middle, _CONNECTED, values.shape[1]))
            parts.append(_lines(cells, corners, where & ~middle, _SEPARATED, values.shape[1]))
        else:
            parts.append(_lines(cells, corners, where, _LINES[number], values.shape[1]))
    return joined(parts)


def joined(parts: list[ZeroLines]) -> ZeroLines:
    """Concatenate the segments of parts.

    Args:
        parts: At least one.

    >>> part = zero_lines(np.array([[-1.0, 3.0], [-1.0, 1.0]])[..., np.newaxis])
    >>> len(joined([part, part]).unit)
    2
    """
    return ZeroLines(*(np.concatenate(field) for field in zip(*parts, strict=True)))


class Polyline(NamedTuple):
    """A line through points.

    Attributes:
        unit: Index of the function.
        points: (row, column) in units of the grid, float64 [K, 2]; a closed line ends with its first point.
    """

    unit: int
    points: Float


def polylines(lines: ZeroLines) -> list[Polyline]:
    """Join segments whose ends are on the same edges of the grid.

    Args:
        lines: Segments; at most two of one function end on an edge.

    Returns:
        Lines from rim to rim (of the grid, or of values that are not finite), and closed lines; sorted by function,
        open lines first.

    >>> (line,) = polylines(zero_lines(np.array([[-1.0, 3, 3], [-1, 1, 1]])[..., np.newaxis]))
    >>> line.points.tolist()
    [[0.0, 0.25], [1.0, 0.5]]
    """
    keys = (lines.unit[:, np.newaxis] * (lines.edges.max(initial=0) + 1) + lines.edges).ravel()
    order = np.argsort(keys, kind="stable")
    shared = np.flatnonzero(keys[order[1:]] == keys[order[:-1]])
    # End 2s + i is end i of segment s; −1 if no other segment continues it.
    beyond = np.full(len(keys), -1, np.int64)
    beyond[order[shared]], beyond[order[shared + 1]] = order[shared + 1], order[shared]
    flat = lines.ends.reshape(-1, 2)
    follow = beyond.tolist()
    used = bytearray(len(lines.unit))
    found = []
    # By the number of their edge, so that the order of segments does not matter.
    for start in [*order[beyond[order] < 0].tolist(), *order.tolist()]:
        if used[start // 2]:
            continue
        path, end = [start], start
        while end >= 0 and not used[end // 2]:
            used[end // 2] = True
            path.append(end ^ 1)
            end = follow[end ^ 1]
        found.append(Polyline(int(lines.unit[start // 2]), flat[path]))
    return sorted(found, key=lambda line: line.unit)


def simplified(points: Float, tolerance: float) -> Float:
    """Remove points of a line that are close to the straight line between those kept.

    D. Douglas and T. Peucker, "Algorithms for the reduction of the number of points required to represent a digitized
    line or its caricature", Cartographica 10 (2), 1973.

    Args:
        points: [K, 2], K ≥ 1.
        tolerance: Largest distance of a removed point, in the points' units.

    Returns:
        The points kept, including the first and the last.

    >>> simplified(np.array([[0.0, 0.0], [1.0, 0.01], [2.0, 0.0]]), tolerance=0.1).tolist()
    [[0.0, 0.0], [2.0, 0.0]]
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


def _lines(
    cells: NDArray[np.int64],
    corners: Float,
    where: NDArray[np.bool_],
    pairs: tuple[tuple[int, int], ...],
    columns: int,
) -> ZeroLines:
    row, column, unit = cells[:, where]
    found = [
        np.stack([_crossing(corners[where], edge) for edge in pair], axis=1)
        + np.stack([row, column], axis=-1)[:, np.newaxis]
        for pair in pairs
    ]
    numbers = [np.stack([_number(row, column, edge, columns) for edge in pair], axis=1) for pair in pairs]
    return ZeroLines(np.concatenate(found), np.concatenate(numbers), np.tile(unit, len(pairs)))


def _crossing(corners: Float, edge: int) -> Float:
    """Zero of an edge of each cell, (row, column) in the cell, [S, 2]."""
    start, end = _EDGES[edge]
    a, b = corners[:, start], corners[:, end]
    fraction = (a / (a - b))[:, np.newaxis]
    first, last = np.array(_CORNERS[start], float), np.array(_CORNERS[end], float)
    crossing: Float = first + fraction * (last - first)
    return crossing


def _number(row: NDArray[np.int64], column: NDArray[np.int64], edge: int, columns: int) -> NDArray[np.int64]:
    """Compute the number of each cell's edge, equal from both sides, [S]."""
    down, right, vertical = _EDGE_POSITIONS[edge]
    number: NDArray[np.int64] = 2 * ((row + down) * columns + column + right) + vertical
    return number


def _distances(points: Float, start: Float, end: Float) -> Float:
    """Distances of points from the segment between two others, [K]."""
    along = end - start
    length = along @ along
    fraction = np.clip((points - start) @ along / length, 0, 1) if length > 0 else np.zeros(len(points))
    off: Float = np.linalg.norm(points - start - fraction[:, np.newaxis] * along, axis=1)
    return off
