"""Main effects of a balanced analysis of variance."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from onnx_ood._types import Float


def main_effects(grid: ArrayLike) -> Float:
    """Fraction of the variance that each factor explains alone.

    In a balanced grid the sum of squares of a factor is Σ n (m − M)² over its levels, with m the mean of the n cells of
    a level and M that of all; η² is that over the sum of squares of all cells (R. A. Fisher, Statistical
    Methods for Research Workers, 1925, chapter VII). Fractions add up to at most 1; the rest are interactions.

    Args:
        grid: A value for each combination of levels; one axis per factor.

    Returns:
        float64, one fraction per axis, in [0, 1]; zeros if all values are equal.

    >>> main_effects([[0, 1], [4, 5]]).round(3)
    array([0.941, 0.059])
    """
    values = np.asarray(grid, np.float64)
    centred = values - values.mean()
    total = float((centred**2).sum())
    # Equal values differ from their mean by rounding at most.
    if total <= values.size * (np.finfo(np.float64).eps * np.abs(values).max(initial=0)) ** 2:
        return np.zeros(values.ndim)
    fractions = []
    for axis in range(values.ndim):
        levels = centred.mean(axis=tuple(other for other in range(values.ndim) if other != axis))
        fractions.append(float((levels**2).sum()) * values.size / values.shape[axis] / total)
    return np.array(fractions)
