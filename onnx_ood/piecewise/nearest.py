"""The boundary of a linear region that is nearest to a point.

Inside its region every unit is affine in the input, so the distance to where it bends is that to a plane:
|z − threshold| / ‖∇z‖. The nearest of all these planes is a face of the region: on the way to it no other is crossed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, prod

import numpy as np

from onnx_ood._types import Array
from onnx_ood.piecewise.steps import SAME, Affine, Bends, Largest, Program, choices, value_of

# Directions that go through the network at once.
_TOGETHER = 64


@dataclass(frozen=True)
class Nearest:
    """The nearest boundary.

    Attributes:
        distance: How far it is, in units of the input; infinite if no unit depends on the input.
        site: Which site of `Program.sites` bends there, −1 if none.
        unit: Which of its units.
        direction: Unit vector that leads there, [*sample].
    """

    distance: float
    site: int
    unit: int
    direction: Array


def nearest_boundary(program: Program, point: Array) -> Nearest:
    """Finds the nearest boundary of the linear region in which a point lies.

    It takes one pass through the network for each of the input's n elements, and float64 memory for 64 of them.

    Args:
        program: The network.
        point: The point, [*sample].

    Returns:
        The boundary. Its distance is exact but for rounding in float64.
    """
    x = np.asarray(point, np.float64).reshape(1, *program.sample)
    region = _Region(program, x)
    squares: list[Array] = [np.zeros(margin.shape) for margin in region.margins]
    for slopes in region.slopes_along(np.eye(prod(program.sample)).reshape(-1, *program.sample)):
        squares = [total + (slope**2).sum(axis=0) for total, slope in zip(squares, slopes, strict=True)]
    best = Nearest(inf, -1, -1, np.zeros(program.sample))
    for site, (margin, square) in enumerate(zip(region.margins, squares, strict=True)):
        with np.errstate(divide="ignore", invalid="ignore"):
            distances = np.where(square > 0, np.abs(margin) / np.sqrt(square), inf)
        place = int(np.argmin(distances))
        if distances.flat[place] < best.distance:
            gradient = region.gradient(site, place)
            # A point that lies on a boundary may leave to either side.
            direction = -gradient if margin.flat[place] > 0 else gradient
            best = Nearest(
                float(distances.flat[place]),
                site,
                place // margin.shape[-1],
                direction / np.linalg.norm(direction),
            )
    return best


class _Region:
    """The linear region of a point.

    Attributes:
        margins: For each site how far its units are from where they bend, [U, B]: from each of their thresholds, or, of
            maxima, how far each candidate is behind the largest (infinite for what is the same value).
    """

    def __init__(self, program: Program, point: Array) -> None:
        self._program = program
        self._values: dict[str, Array] = {program.input: point}
        self.margins: list[Array] = []
        self._chosen: dict[str, Array] = {}
        for step in program.steps:
            read = [self._values[name] for name in step.inputs]
            self._values[step.output] = value_of(step, read)
            if isinstance(step, Bends):
                self.margins.append(read[0].reshape(-1, 1) - np.array(step.thresholds))
            elif isinstance(step, Largest):
                seen = step.candidates(*read)[0]
                self._chosen[step.output] = choices(seen)[:, np.newaxis]
                largest = np.take_along_axis(seen, self._chosen[step.output], axis=-1)
                behind = largest - seen
                self.margins.append(np.where(behind > SAME * np.abs(largest), behind, inf))

    def slopes_along(self, directions: Array) -> Iterator[list[Array]]:
        """Derivatives of all margins along directions, some directions at a time: [D, U, B] for each site.

        Args:
            directions: [n, *sample].
        """
        for start in range(0, len(directions), _TOGETHER):
            yield self._slopes(directions[start : start + _TOGETHER])

    def gradient(self, site: int, place: int) -> Array:
        """The gradient of one margin, [*sample]; `place` counts through [U, B]."""
        every = np.eye(prod(self._program.sample)).reshape(-1, *self._program.sample)
        parts = [slopes[site].reshape(len(slopes[site]), -1)[:, place] for slopes in self.slopes_along(every)]
        return np.concatenate(parts).reshape(self._program.sample)

    def _slopes(self, directions: Array) -> list[Array]:
        # The network is affine here: what a direction does is the difference that it makes.
        moved: dict[str, Array] = {self._program.input: self._values[self._program.input] + directions}
        slopes: list[Array] = []
        for step in self._program.steps:
            read = [moved[name] for name in step.inputs]
            before = [self._values[name] for name in step.inputs]
            if isinstance(step, Affine):
                moved[step.output] = step.apply(*read)
            elif isinstance(step, Bends):
                change = read[0] - before[0]
                slopes.append(np.repeat(change.reshape(len(change), -1, 1), len(step.thresholds), axis=-1))
                moved[step.output] = self._values[step.output] + _slope(step, before[0]) * change
            else:
                slopes.append(self._largest(step, read, before, moved))
        return slopes

    def _largest(
        self, step: Largest, read: list[Array], before: list[Array], moved: dict[str, Array]
    ) -> Array:
        seen, seen_before = step.candidates(*read), step.candidates(*before)
        chosen = np.broadcast_to(self._chosen[step.output], (len(seen), seen.shape[1], 1))
        moved[step.output] = step.finish(np.take_along_axis(seen, chosen, axis=-1)[..., 0])
        with np.errstate(invalid="ignore"):
            change = seen - seen_before
            slope: Array = np.take_along_axis(change, chosen, axis=-1) - change
        # What isn't there (−∞) doesn't move.
        return np.where(np.isnan(slope), 0.0, slope)


def _slope(step: Bends, z: Array) -> Array:
    """The slope of each unit at its pre-activation: between there and the middle of the longer way to a threshold."""
    bounds = np.array([-inf, *step.thresholds, inf])
    piece = np.searchsorted(bounds, z, side="left")
    up, down = bounds[piece] - z, z - bounds[piece - 1]
    way = np.where(up >= down, np.minimum(up / 2, 1.0), -np.minimum(down / 2, 1.0))
    slope: Array = (step.apply(z + way) - step.apply(z)) / way
    return slope
