"""Metrics of activation patterns."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def flip_rate(flips: ArrayLike, size: ArrayLike) -> NDArray[np.float64]:
    """Fraction of units whose sign pattern a nudge changed.

    Args:
        flips: Units whose sign pattern [a > 0] changed, any shape.
        size: Number of units, broadcastable to `flips`, at least 1.

    Returns:
        flips / size in [0, 1], float64: the Hamming distance of the two activation patterns per unit.

    >>> flip_rate(3, 12).item()
    0.25
    """
    return np.asarray(flips, dtype=np.float64) / np.asarray(size, dtype=np.float64)
