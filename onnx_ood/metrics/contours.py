"""Where sampled functions of two variables are zero: marching squares.

W. Lorensen and H. Cline, "Marching cubes", SIGGRAPH 1987, in two dimensions: within a cell of the grid the function is
taken for linear along the edges; a cell with two corners above and two below on its diagonals is decided by its middle.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# The corners of a cell as (row, column), in turn.
_CORNERS = ((0, 0), (0, 1), (1, 1), (1, 0))
# The corners that each edge joins, the upper or left one first: so both cells beside it find the same place on it.
_EDGES = ((0, 1), (1, 2), (3, 2), (0, 3))
# Of each edge the row and column of its first corner, and 1 if it runs down.
_PLACES = np.array([(0, 0, 0), (0, 1, 1), (1, 0, 0), (0, 0, 1)], np.int64)
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
        edges: The edge of the grid that each end is on, int64 [S, 2]; no two edges of a grid have one number.
        unit: Which function each belongs to, int64 [S].
    """

    ends: NDArray[np.float64]
    edges: NDArray[np.int64]
    unit: NDArray[np.int64]


def zero_lines(values: NDArray[Any], first_row: int = 0) -> ZeroLines:
    """Finds where functions that are sampled on a grid are zero.

    Only cells in which a function changes its sign take memory beyond three bytes a value.

    Args:
        values: [R, C, U] for U functions, of any type of floats; 0 counts as below zero.
        first_row: Which row of a larger grid the first one is. Of parts of a grid that share a row, the lines join.

    Returns:
        One line for each cell and function that a zero set runs through, two where it does so twice. Cells with a
        corner that is not finite have none.
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
    turned = kind > 7
    kind = np.where(turned, 15 - kind, kind)
    cells[0] += first_row
    parts = []
    for number in range(1, 8):
        where = kind == number
        if number == 5:
            # Corners 0 and 2 differ from the other two: by which sign the middle has, they are joined or not.
            middle = (corners.sum(axis=-1) > 0) != turned
            parts.append(_lines(cells, corners, where & middle, _JOINED, values.shape[1]))
            parts.append(_lines(cells, corners, where & ~middle, _APART, values.shape[1]))
        else:
            parts.append(_lines(cells, corners, where, _LINES[number], values.shape[1]))
    return joined(parts)


def joined(parts: list[ZeroLines]) -> ZeroLines:
    """The lines of all parts.

    Args:
        parts: At least one.
    """
    return ZeroLines(*(np.concatenate(field) for field in zip(*parts, strict=True)))


def _lines(
    cells: NDArray[np.int64],
    corners: NDArray[np.float64],
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


def _crossing(corners: NDArray[np.float64], edge: int) -> NDArray[np.float64]:
    """Where an edge of each cell is zero, (row, column) in the cell, [S, 2]."""
    start, end = _EDGES[edge]
    a, b = corners[:, start], corners[:, end]
    share = (a / (a - b))[:, np.newaxis]
    first, last = np.array(_CORNERS[start], float), np.array(_CORNERS[end], float)
    crossing: NDArray[np.float64] = first + share * (last - first)
    return crossing


def _number(row: NDArray[np.int64], column: NDArray[np.int64], edge: int, columns: int) -> NDArray[np.int64]:
    """A number for an edge of each cell, the same from both sides, [S]."""
    down, right, vertical = _PLACES[edge]
    number: NDArray[np.int64] = 2 * ((row + down) * columns + column + right) + vertical
    return number
