"""The nearest boundary of the linear region around a point.

Inside the region every pre-activation z is affine in the input, so a boundary is a hyperplane at the distance
|z − threshold| / ‖∇z‖. The nearest hyperplane of all is a face of the region, since no other is crossed before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, prod

import numpy as np

from onnx_ood._types import Array
from onnx_ood.piecewise.steps import (
    TIE_TOLERANCE,
    Affine,
    Elementwise,
    Maximum,
    Program,
    largest_of,
    value_of,
)

# Directions that run through the network together.
_MAX_DIRECTIONS = 64


@dataclass(frozen=True)
class NearestBoundary:
    """The boundary nearest to a point.

    Attributes:
        distance: Euclidean distance in units of the input; infinite if no unit depends on the input.
        site: Index into `Program.sites`, −1 if there is no boundary.
        unit: Index of the unit in the flattened site.
        direction: Unit vector from the point to the boundary, [*sample].
    """

    distance: float
    site: int
    unit: int
    direction: Array


def nearest_boundary(program: Program, point: Array) -> NearestBoundary:
    """Find the nearest boundary of the linear region around a point.

    The cost is one pass through the network for each element of the input, 64 at a time.

    Args:
        program: The network.
        point: The point, [*sample].

    Returns:
        The boundary. Its distance is exact up to rounding in float64.
    """
    x = np.asarray(point, np.float64).reshape(1, *program.sample)
    region = _Region(program, x)
    squares: list[Array] = [np.zeros(margin.shape) for margin in region.margins]
    for slopes in region.slopes_along(np.eye(prod(program.sample)).reshape(-1, *program.sample)):
        squares = [total + (slope**2).sum(axis=0) for total, slope in zip(squares, slopes, strict=True)]
    best = NearestBoundary(inf, -1, -1, np.zeros(program.sample))
    for site, (margin, square) in enumerate(zip(region.margins, squares, strict=True)):
        with np.errstate(divide="ignore", invalid="ignore"):
            distances = np.where(square > 0, np.abs(margin) / np.sqrt(square), inf)
        index = int(np.argmin(distances))
        if distances.flat[index] < best.distance:
            gradient = region.gradient(site, index)
            # From a point on a boundary either direction is right.
            direction = -gradient if margin.flat[index] > 0 else gradient
            best = NearestBoundary(
                float(distances.flat[index]),
                site,
                index // margin.shape[-1],
                direction / np.linalg.norm(direction),
            )
    return best


class _Region:
    """The linear region around a point.

    Attributes:
        margins: Distance of each unit's value from its boundaries, by site, [U, B]: from each threshold, or for maxima
            from the largest candidate to each other (infinite for the same value).
    """

    def __init__(self, program: Program, point: Array) -> None:
        self._program = program
        self._values: dict[str, Array] = {program.input: point}
        self.margins: list[Array] = []
        self._chosen: dict[str, Array] = {}
        for step in program.steps:
            read = [self._values[name] for name in step.inputs]
            self._values[step.output] = value_of(step, read)
            if isinstance(step, Elementwise):
                self.margins.append(read[0].reshape(-1, 1) - np.array(step.thresholds))
            elif isinstance(step, Maximum):
                candidates = step.candidates(*read)[0]
                self._chosen[step.output] = largest_of(candidates)[:, np.newaxis]
                largest = np.take_along_axis(candidates, self._chosen[step.output], axis=-1)
                gap = largest - candidates
                self.margins.append(np.where(gap > TIE_TOLERANCE * np.abs(largest), gap, inf))

    def slopes_along(self, directions: Array) -> Iterator[list[Array]]:
        """Yield derivatives of all margins along some of the directions at a time: [D, U, B] for each site.

        Args:
            directions: [n, *sample].
        """
        for start in range(0, len(directions), _MAX_DIRECTIONS):
            yield self._slopes(directions[start : start + _MAX_DIRECTIONS])

    def gradient(self, site: int, index: int) -> Array:
        """Gradient of one margin, [*sample]; the index is into the flattened [U, B]."""
        basis = np.eye(prod(self._program.sample)).reshape(-1, *self._program.sample)
        parts = [slopes[site].reshape(len(slopes[site]), -1)[:, index] for slopes in self.slopes_along(basis)]
        return np.concatenate(parts).reshape(self._program.sample)

    def _slopes(self, directions: Array) -> list[Array]:
        # The network is affine in the region, so differences are derivatives.
        moved: dict[str, Array] = {self._program.input: self._values[self._program.input] + directions}
        slopes: list[Array] = []
        for step in self._program.steps:
            read = [moved[name] for name in step.inputs]
            before = [self._values[name] for name in step.inputs]
            if isinstance(step, Affine):
                moved[step.output] = step.apply(*read)
            elif isinstance(step, Elementwise):
                change = read[0] - before[0]
                slopes.append(np.repeat(change.reshape(len(change), -1, 1), len(step.thresholds), axis=-1))
                moved[step.output] = self._values[step.output] + _slope(step, before[0]) * change
            else:
                slopes.append(self._maximum(step, read, before, moved))
        return slopes

    def _maximum(
        self, step: Maximum, read: list[Array], before: list[Array], moved: dict[str, Array]
    ) -> Array:
        seen, seen_before = step.candidates(*read), step.candidates(*before)
        chosen = np.broadcast_to(self._chosen[step.output], (len(seen), seen.shape[1], 1))
        moved[step.output] = step.finish(np.take_along_axis(seen, chosen, axis=-1)[..., 0])
        with np.errstate(invalid="ignore"):
            change = seen - seen_before
            slope: Array = np.take_along_axis(change, chosen, axis=-1) - change
        # Padding (−∞) does not move.
        return np.where(np.isnan(slope), 0.0, slope)


def _slope(step: Elementwise, z: Array) -> Array:
    """Slope of each unit at its pre-activation, as a difference towards the more distant threshold."""
    bounds = np.array([-inf, *step.thresholds, inf])
    interval = np.searchsorted(bounds, z, side="left")
    up, down = bounds[interval] - z, z - bounds[interval - 1]
    difference = np.where(up >= down, np.minimum(up / 2, 1.0), -np.minimum(down / 2, 1.0))
    slope: Array = (step.apply(z + difference) - step.apply(z)) / difference
    return slope
