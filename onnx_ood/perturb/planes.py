"""The plane through three points of input space.

G. Somepalli et al., "Can Neural Networks Learn the Same Model Twice? Investigating Reproducibility and Double Descent
from the Decision Boundary Perspective", CVPR 2022, show classifiers on such planes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import ArrayLike

from onnx_ood._types import Float
from onnx_ood.exceptions import UsageError

# A triangle flatter than this, as a share of its longest side, has no plane that float32 inputs could tell.
_FLAT = 1e-6


@dataclass(frozen=True)
class Grid:
    """Points of a plane in rows and columns, as far from each other in both directions.

    Attributes:
        x: Coordinates of the columns, ascending, float64 [C].
        y: Coordinates of the rows, ascending, float64 [R].
    """

    x: Float
    y: Float

    @property
    def step(self) -> float:
        """The distance of neighbours, in the units of inputs."""
        return float(self.x[1] - self.x[0])

    def coordinates(self) -> Float:
        """(x, y) of all points, row by row, float64 [R · C, 2]."""
        return np.stack(np.meshgrid(self.x, self.y), axis=-1).reshape(-1, 2)


@dataclass(frozen=True)
class Plane:
    """The plane through three points. Distances of coordinates are distances of inputs.

    Attributes:
        origin: The first point, float64 [*input].
        axes: Two directions of length 1 at a right angle; the first points to the second point. float64 [2, *input].
        corners: Coordinates of the three points, float64 [3, 2]: (0, 0), (x > 0, 0) and (x, y > 0).
    """

    origin: Float
    axes: Float
    corners: Float

    def at(self, coordinates: ArrayLike) -> Float:
        """Points of the plane.

        Args:
            coordinates: [M, 2].

        Returns:
            float64 [M, *input].
        """
        points: Float = self.origin + np.tensordot(np.asarray(coordinates, np.float64), self.axes, axes=1)
        return points

    def grid(self, resolution: int, extent: float) -> Grid:
        """Make a grid around the three points.

        Args:
            resolution: Points along the longer side, at least 2.
            extent: How far it goes beyond the box around the three points, to every side, as a share of the box's
                longer side.

        Returns:
            The grid; its shorter side is made longer by less than a step, to hold a whole number of steps.

        Raises:
            UsageError: If one of both is out of range.
        """
        if resolution < 2:
            raise UsageError(f"a grid needs a resolution of at least 2, but is given {resolution}")
        if not 0 <= extent < np.inf:
            raise UsageError(f"the extent of a grid must be 0 or more, but is {extent:g}")
        low, high = self.corners.min(axis=0), self.corners.max(axis=0)
        middle, sides = (low + high) / 2, high - low + 2 * extent * (high - low).max()
        step = sides.max() / (resolution - 1)
        # Rounding makes no further column of a side that is a whole number of steps.
        steps = [max(1, ceil(side / step - 1e-9)) for side in sides]
        x, y = (
            centre + step * (np.arange(count + 1) - count / 2)
            for centre, count in zip(middle, steps, strict=True)
        )
        return Grid(x, y)


def plane_through(
    first: ArrayLike,
    second: ArrayLike,
    third: ArrayLike,
    names: Sequence[str] = ("the first", "the second", "the third"),
) -> Plane:
    """Span the plane through three points, with an orthonormal basis by Gram-Schmidt.

    Args:
        first: [*input].
        second: [*input].
        third: [*input].
        names: What the points are called in errors.

    Returns:
        The plane.

    Raises:
        UsageError: If two of the points are equal, all three are on one line, or shapes differ.
    """
    corners = [np.asarray(point, np.float64) for point in (first, second, third)]
    if len({point.shape for point in corners}) > 1:
        shapes = ", ".join(str(list(point.shape)) for point in corners)
        raise UsageError(f"the three points of a plane need one shape, but have {shapes}")
    for i, j in ((0, 1), (0, 2), (1, 2)):
        if np.array_equal(corners[i], corners[j]):
            raise UsageError(f"{names[i]} and {names[j]} are equal; a plane needs three different points")
    origin = corners[0]
    to_second, to_third = ((point - origin).ravel() for point in corners[1:])
    right = to_second / np.linalg.norm(to_second)
    up = to_third - right * (right @ to_third)
    # Once more: what rounding left of the first direction.
    up -= right * (right @ up)
    height = np.linalg.norm(up)
    longest = max(np.linalg.norm(side) for side in (to_second, to_third, to_third - to_second))
    if not height > _FLAT * longest:
        raise UsageError(f"{', '.join(names)} are on one line; a plane needs three points that are not")
    up /= height
    axes = np.stack([right, up])
    places = [(0.0, 0.0), (float(np.linalg.norm(to_second)), 0.0), (float(right @ to_third), float(height))]
    return Plane(origin, axes.reshape(2, *origin.shape), np.array(places))
