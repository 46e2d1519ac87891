"""Trajectories through input space: straight segments, closed paths and ellipses.

What they are for: R. Novak, Y. Bahri, D. A. Abolafia, J. Pennington and J. Sohl-Dickstein, "Sensitivity and
Generalization in Neural Networks: an Empirical Study", ICLR 2018 (arXiv 1802.08760). All are float64, in the units of
the inputs that they are made from.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import pi, sqrt

import numpy as np
from numpy.typing import ArrayLike

from onnx_ood._types import Float
from onnx_ood.exceptions import UsageError
from onnx_ood.perturb.noise import draw

# Where an ellipse through three points hits them, as angles.
_ANGLES = np.array([pi / 3, pi, 5 * pi / 3])
# Nodes of the integral along a piece of an ellipse.
_NODES = 64
# Steps of the arithmetic-geometric mean, which doubles the right digits with each.
_MOST_STEPS = 64


class Trajectory(ABC):
    """A way through input space, walked once while t goes from 0 to 1.

    Attributes:
        closed: True if it ends where it begins.
    """

    closed: bool

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of a point, [*input]."""

    @property
    @abstractmethod
    def knots(self) -> Float:
        """Values of t to begin with, ascending, 0 and 1 among them; where a path has a corner, there is one."""

    @property
    @abstractmethod
    def length(self) -> float:
        """Its length, in the units of inputs."""

    @abstractmethod
    def lengths(self, t: Float) -> Float:
        """Lengths of its pieces, in the units of inputs: t is even in angles or segments, not in lengths.

        Args:
            t: Ascending values in [0, 1], [T].

        Returns:
            The length of the way from each to the next, float64 [T − 1].
        """

    @abstractmethod
    def at(self, t: ArrayLike) -> Float:
        """Points on it.

        Args:
            t: Values in [0, 1], [T].

        Returns:
            float64 [T, *input].
        """


@dataclass(frozen=True)
class Path(Trajectory):
    """Corners joined by straight segments, each of which takes as much of t as any other.

    Attributes:
        corners: [K, *input], K ≥ 2.
        closed: True if the last corner is joined to the first.
    """

    corners: Float
    closed: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a corner."""
        return self.corners.shape[1:]

    @property
    def _around(self) -> Float:
        """Corners in the order in which they are visited, the first once more where the path is closed."""
        return np.concatenate([self.corners, self.corners[:1]]) if self.closed else self.corners

    @property
    def knots(self) -> Float:
        """Positions of the corners along the path, from 0 to 1."""
        return np.linspace(0.0, 1.0, len(self._around))

    @property
    def length(self) -> float:
        """Sum of the segments' lengths."""
        return float(self._segments.sum())

    @property
    def _segments(self) -> Float:
        """Length of each segment."""
        steps = np.diff(self._around, axis=0).reshape(len(self._around) - 1, -1)
        lengths: Float = np.linalg.norm(steps, axis=1)
        return lengths

    def lengths(self, t: Float) -> Float:
        """Lengths of its pieces: between corners length grows evenly."""
        so_far = np.concatenate([[0.0], np.cumsum(self._segments)])
        return np.diff(np.interp(t, self.knots, so_far))

    def at(self, t: ArrayLike) -> Float:
        """Points on the segments; corners are hit exactly."""
        corners = self._around
        along = np.asarray(t, np.float64) * (len(corners) - 1)
        segment = np.clip(np.floor(along).astype(np.int64), 0, len(corners) - 2)
        share = (along - segment).reshape(-1, *[1] * len(self.shape))
        # Not a + share·(b − a): at the end of a segment that may miss the corner by a rounding.
        points: Float = (1 - share) * corners[segment] + share * corners[segment + 1]
        return points


@dataclass(frozen=True)
class Ellipse(Trajectory):
    """z(θ) = centre + a·cos θ + b·sin θ with θ = 2πt.

    Attributes:
        centre: [*input].
        a: [*input], as `b`; any two directions, which need not be the axes.
        b: [*input].
    """

    centre: Float
    a: Float
    b: Float
    closed: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the centre."""
        return self.centre.shape

    @property
    def knots(self) -> Float:
        """The ends, and where an `ellipse_through` three points hits them."""
        return np.concatenate([[0.0], _ANGLES / (2 * pi), [1.0]])

    @property
    def length(self) -> float:
        """The perimeter."""
        # The semi-axes are the singular values of the matrix of both directions.
        large, small = np.linalg.svd(np.stack([self.a.ravel(), self.b.ravel()]), compute_uv=False)
        return perimeter(float(large), float(small))

    def lengths(self, t: Float) -> Float:
        """Lengths of its pieces, by Gauss's rule for the integral of |b·cos θ − a·sin θ|."""
        nodes, weights = np.polynomial.legendre.leggauss(_NODES)
        half = np.diff(t)[:, np.newaxis] * pi
        theta = 2 * pi * t[:-1, np.newaxis] + half * (1 + nodes)
        a, b = self.a.ravel(), self.b.ravel()
        squares = a @ a * np.sin(theta) ** 2 + b @ b * np.cos(theta) ** 2 - a @ b * np.sin(2 * theta)
        pieces: Float = (half * np.sqrt(np.maximum(squares, 0)) * weights).sum(axis=1)
        return pieces

    def at(self, t: ArrayLike) -> Float:
        """Points on the ellipse."""
        theta = (2 * pi * np.asarray(t, np.float64)).reshape(-1, *[1] * len(self.shape))
        points: Float = self.centre + np.cos(theta) * self.a + np.sin(theta) * self.b
        return points


def perimeter(large: float, small: float) -> float:
    """Perimeter of an ellipse, right to rounding, by the arithmetic-geometric mean.

    With a₀ = large, b₀ = small, c₀² = a₀² − b₀² and the mean's steps aₙ₊₁ = (aₙ + bₙ)/2, bₙ₊₁ = √(aₙbₙ) and
    cₙ₊₁ = (aₙ − bₙ)/2 it is 2π/M · (a₀² − Σ 2ⁿ⁻¹cₙ²), where M is the mean (Abramowitz and Stegun, 17.6).

    Args:
        large: The larger semi-axis, at least 0.
        small: The smaller one.

    Returns:
        4 times the complete elliptic integral of the second kind times `large`.
    """
    if small <= 0.0 or large / small > 1e150:
        return 4 * large
    # Of size 1, so that no square is out of range.
    a, b = 1.0, small / large
    total = 1.0 - (1.0 - b * b) / 2
    factor = 1.0
    for _ in range(_MOST_STEPS):
        difference = (a - b) / 2
        a, b = (a + b) / 2, sqrt(a * b)
        total -= factor * difference * difference
        factor *= 2
        if difference <= np.finfo(np.float64).eps * a:
            break
    return large * 2 * pi * total / a


def segment(start: ArrayLike, end: ArrayLike) -> Path:
    """Make the straight path from one point to another.

    Args:
        start: [*input].
        end: [*input].

    Raises:
        UsageError: If they differ in shape.
    """
    return Path(_corners([start, end]))


def closed_path(corners: ArrayLike) -> Path:
    """Make a closed path of straight segments.

    Args:
        corners: [K, *input], K ≥ 2.

    Raises:
        UsageError: If there are fewer than two corners.
    """
    return Path(_corners(corners), closed=True)


def translations(image: ArrayLike, count: int | None = None, axis: int = -1) -> Path:
    """Make the ring of an image's translations: cyclic shifts along one axis, joined by segments.

    Args:
        image: [*input].
        count: How many positions; None for one at every element of the axis. They are spread evenly, to whole elements.
        axis: The axis along which the image is shifted; −1 is horizontal where the width comes last.

    Returns:
        A closed path whose corners are the image shifted by 0, size/count, 2·size/count… elements.

    Raises:
        UsageError: If there is no such axis, or `count` isn't between 2 and the axis's size.
    """
    values = np.asarray(image, np.float64)
    if not -values.ndim <= axis < values.ndim:
        raise UsageError(f"axis {axis} is none of an input of shape {list(values.shape)}")
    size = values.shape[axis]
    count = size if count is None else count
    if not 2 <= count <= size:
        raise UsageError(
            f"an axis of {size} elements has 2 to {size} translations, not {count}; choose another number"
        )
    shifts = [i * size // count for i in range(count)]
    return Path(np.stack([np.roll(values, shift, axis) for shift in shifts]), closed=True)


def ellipse_through(first: ArrayLike, second: ArrayLike, third: ArrayLike) -> Ellipse:
    """Make the ellipse through three points at θ = π/3, π and 5π/3.

    z(θ) = m + a·cos θ + b·sin θ with the mean m, a = ⅔·Σ xⱼ cos θⱼ and b = ⅔·Σ xⱼ sin θⱼ: the first terms of the
    points' Fourier series. It is the smallest ellipse through them.

    Args:
        first: [*input].
        second: [*input].
        third: [*input].

    Raises:
        UsageError: If they differ in shape.
    """
    points = _corners([first, second, third])
    a, b = (2 / 3 * np.tensordot(wave(_ANGLES), points, axes=1) for wave in (np.cos, np.sin))
    return Ellipse(points.mean(axis=0), a, b)


def random_ellipse(centre: ArrayLike, norms: tuple[float, float], seed: int) -> Ellipse:
    """Make an ellipse in two random directions.

    Args:
        centre: [*input]: zeros, or the mean of a set.
        norms: Lengths of the two directions, in the units of inputs; those of inputs less the centre, say.
        seed: Any integer from 0.

    Returns:
        The ellipse whose `a` and `b` are Gaussian draws of these lengths.

    Raises:
        UsageError: If a length isn't positive, or the seed is out of range.
    """
    middle = np.asarray(centre, np.float64)
    if min(norms) <= 0:
        raise UsageError(
            f"the directions of a random ellipse need positive lengths, not {norms[0]:g} and {norms[1]:g}"
        )
    a, b = (
        norm / np.linalg.norm(direction) * direction
        for norm, direction in zip(norms, draw("gaussian", middle.shape, 2, seed), strict=True)
    )
    return Ellipse(middle, a, b)


def _corners(points: ArrayLike | Sequence[ArrayLike]) -> Float:
    try:
        corners = np.asarray(points, np.float64)
    except (TypeError, ValueError):
        raise UsageError("the points of a trajectory must be numbers, all in one shape") from None
    if corners.ndim < 1 or len(corners) < 2:
        raise UsageError("a trajectory needs at least two points")
    return corners
