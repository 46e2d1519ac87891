"""Areas of a grid as outlines: the cells in which one thing is found, as a path."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Corner = tuple[int, int]


def outline(cells: NDArray[np.bool_]) -> str:
    """The outline of cells, as the path of a drawing whose unit is a cell.

    Args:
        cells: Which they are, [R, C]; the first row lies at 0.

    Returns:
        Closed loops around all of them; what a loop inside another cuts out is a hole by either rule of filling.
    """
    return "".join(_loops(_edges(cells)))


def _edges(cells: NDArray[np.bool_]) -> dict[Corner, list[Corner]]:
    """Sides of cells with no such cell beyond, by where they begin: cells lie to the left of them."""
    inside = np.pad(cells, 1)
    edges: dict[Corner, list[Corner]] = {}
    # Where a side begins and ends as seen from the cell's corner nearest to the origin, and the cell beyond it.
    sides = [
        ((0, 0), (1, 0), (-1, 0)),
        ((1, 0), (1, 1), (0, 1)),
        ((1, 1), (0, 1), (1, 0)),
        ((0, 1), (0, 0), (0, -1)),
    ]
    for (x0, y0), (x1, y1), (down, right) in sides:
        open_side = inside & ~np.roll(inside, (-down, -right), (0, 1))
        for row, column in np.argwhere(open_side[1:-1, 1:-1]).tolist():
            edges.setdefault((column + x0, row + y0), []).append((column + x1, row + y1))
    return edges


def _loops(edges: dict[Corner, list[Corner]]) -> Iterator[str]:
    """Chains sides to loops, a stroke for each straight part."""
    while edges:
        first = here = next(iter(edges))
        path, run, along = [f"M{first[0]} {first[1]}"], 0, ""
        while True:
            ends = edges[here]
            there = ends.pop()
            if not ends:
                del edges[here]
            step = (there[0] - here[0]) or (there[1] - here[1])
            way = "h" if there[1] == here[1] else "v"
            if way == along and (run > 0) == (step > 0):
                run += step
            else:
                path += [f"{along}{run}"] if along else []
                run, along = step, way
            here = there
            if here == first:
                break
        yield f"{''.join(path)}{along}{run}z"
