"""Where sampled functions of two variables are zero: marching squares.

W. Lorensen and H. Cline, "Marching cubes", SIGGRAPH 1987, in two dimensions: within a cell of the grid the function is
taken for linear along the edges; a cell with two corners above and two below on its diagonals is decided by its middle.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# The corners of a cell as (row, column), in turn; edge e goes from corner e to the next.
_CORNERS = ((0, 0), (0, 1), (1, 1), (1, 0))
# For each set of corners above zero (bit c for corner c) the pairs of edges that a line joins.
_LINES: dict[int, tuple[tuple[int, int], ...]] = {
    1: ((3, 0),),
    2: ((0, 1),),
    3: ((3, 1),),
    4: ((1, 2),),
    6: ((0, 2),),
    7: ((3, 2),),
}
# Two lines each: corners 0 and 2 above, joined through the middle or apart.
_APART = ((3, 0), (1, 2))
_JOINED = ((0, 1), (2, 3))


class ZeroLines(NamedTuple):
    """Straight pieces of zero sets.

    Attributes:
        ends: Their ends as (row, column) in units of the grid, float64 [S, 2, 2].
        unit: Which function each belongs to, int64 [S].
    """

    ends: NDArray[np.float64]
    unit: NDArray[np.int64]


def zero_lines(values: NDArray[Any]) -> ZeroLines:
    """Finds where functions that are sampled on a grid are zero.

    Args:
        values: [R, C, U] for U functions; 0 counts as below zero.

    Returns:
        One line for each cell and function that a zero set runs through, two where it does so twice. Cells with a
        corner that is not finite have none.
    """
    v = np.asarray(values, np.float64)
    corners = np.stack([v[r : r + v.shape[0] - 1, c : c + v.shape[1] - 1] for r, c in _CORNERS], axis=-1)
    finite = np.isfinite(corners).all(axis=-1)
    above = corners > 0
    case = (above * (1 << np.arange(4))).sum(axis=-1)
    # The zero set of −f is that of f.
    turned = case > 7
    case = np.where(turned, 15 - case, case)
    parts = []
    for number in range(1, 8):
        where = finite & (case == number)
        if number == 5:
            # Corners 0 and 2 differ from the other two: by which sign the middle has, they are joined or not.
            middle = (corners.sum(axis=-1) > 0) != turned
            parts += [_lines(corners, where & middle, _JOINED), _lines(corners, where & ~middle, _APART)]
        else:
            parts.append(_lines(corners, where, _LINES[number]))
    ends = np.concatenate([part.ends for part in parts])
    unit = np.concatenate([part.unit for part in parts])
    return ZeroLines(ends, unit)


def _lines(
    corners: NDArray[np.float64], where: NDArray[np.bool_], pairs: tuple[tuple[int, int], ...]
) -> ZeroLines:
    row, column, unit = np.nonzero(where)
    cells = corners[row, column, unit]
    found = [
        np.stack([_crossing(cells, first), _crossing(cells, second)], axis=1)
        + np.stack([row, column], axis=-1)[:, np.newaxis]
        for first, second in pairs
    ]
    return ZeroLines(np.concatenate(found), np.tile(unit.astype(np.int64), len(pairs)))


def _crossing(cells: NDArray[np.float64], edge: int) -> NDArray[np.float64]:
    """Where an edge of each cell is zero, (row, column) in the cell, [S, 2]."""
    start, end = edge, (edge + 1) % 4
    a, b = cells[:, start], cells[:, end]
    share = (a / (a - b))[:, np.newaxis]
    first, last = np.array(_CORNERS[start], float), np.array(_CORNERS[end], float)
    crossing: NDArray[np.float64] = first + share * (last - first)
    return crossing
