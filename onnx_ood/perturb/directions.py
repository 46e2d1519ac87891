"""Orthogonal directions in which inputs are nudged."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from onnx_ood._types import Float
from onnx_ood.perturb.noise import draw


class Directions:
    """Orthogonal unit vectors, shared by all inputs.

    Attributes:
        shape: Shape of one input; n is the number of its elements.
        count: m, the number of directions: n at most.
    """

    def __init__(self, shape: Sequence[int], count: int, seed: int) -> None:
        """Draws Gaussian vectors and makes them orthogonal, or takes the n unit vectors where as many are asked for.

        With the signs of R's diagonal, the Q of a Gaussian matrix is uniform among all orthonormal frames (F. Mezzadri,
        "How to generate random matrices from the classical compact groups", Notices of the AMS 54, 2007), so each
        direction is uniform on the sphere. The first of many are those of a draw of few.

        Args:
            shape: Shape of one input.
            count: How many are wanted; beyond n there are n. Fewer than n take 8·n bytes each, and twice that while
                they are drawn.
            seed: Seed of the draw, from 0; without effect on the n unit vectors.

        Raises:
            UsageError: If the count or the seed is out of range.
        """
        self.shape = tuple(shape)
        self._size = prod(self.shape)
        self.count = min(count, self._size)
        self._drawn: Float | None = None
        if self.count < self._size:
            gaussian = draw("gaussian", (self._size,), count, seed)
            q, r = np.linalg.qr(gaussian.T)
            self._drawn = np.ascontiguousarray((q * np.sign(np.diag(r))).T)

    def __getitem__(self, i: int) -> Float:
        """Direction number i, float64 `shape`, of norm 1."""
        if self._drawn is not None:
            direction: Float = self._drawn[i].reshape(self.shape)
            return direction
        unit = np.zeros(self._size)
        unit[i] = 1
        return unit.reshape(self.shape)
