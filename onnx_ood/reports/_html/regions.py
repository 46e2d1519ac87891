"""Outlines of sets of cells of a grid, as SVG paths."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Corner = tuple[int, int]


def outline(cells: NDArray[np.bool_]) -> str:
    """Outline of cells, as a path in a drawing whose unit is a cell.

    Args:
        cells: True for the cells of the set, [R, C]; the first row is at 0.

    Returns:
        Closed loops; a loop inside another is a hole by either fill rule.
    """
    return "".join(_loops(_edges(cells)))


def _edges(cells: NDArray[np.bool_]) -> dict[Corner, list[Corner]]:
    """Sides between the set and its complement by their start; the set lies to the left."""
    inside = np.pad(cells, 1)
    edges: dict[Corner, list[Corner]] = {}
    # Start and end of a side relative to the corner of the cell nearest to the origin, and the cell beyond.
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
    """Chain sides to loops, one stroke per straight part."""
    while edges:
        first = here = next(iter(edges))
        path, run, along = [f"M{first[0]} {first[1]}"], 0, ""
        while True:
            ends = edges[here]
            there = ends.pop()
            if not ends:
                del edges[here]
            step = (there[0] - here[0]) or (there[1] - here[1])
            direction = "h" if there[1] == here[1] else "v"
            if direction == along and (run > 0) == (step > 0):
                run += step
            else:
                path += [f"{along}{run}"] if along else []
                run, along = step, direction
            here = there
            if here == first:
                break
        yield f"{''.join(path)}{along}{run}z"
