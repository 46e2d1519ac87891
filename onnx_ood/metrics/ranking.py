"""Ranks and rank correlation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from onnx_ood._types import Float


def average_ranks(values: ArrayLike) -> Float:
    """Ranks in ascending order from 1; equal values share the mean of their ranks.

    Args:
        values: [n]; NaN ranks last.

    Returns:
        float64 [n].

    >>> average_ranks([30, 10, 10])
    array([3. , 1.5, 1.5])
    """
    x = np.asarray(values, np.float64)
    ordered = np.sort(x)
    left = np.searchsorted(ordered, x, side="left")
    right = np.searchsorted(ordered, x, side="right")
    ranks: Float = (left + right + 1) / 2
    return ranks


def rank_correlation(a: ArrayLike, b: ArrayLike) -> float:
    """Spearman's rank correlation: Pearson's correlation of average ranks.

    C. Spearman, American Journal of Psychology 15, 1904.

    Args:
        a: Values, [n].
        b: Values of the same items, [n].

    Returns:
        From -1 to 1; NaN for fewer than two items, or if all values of one are equal.

    >>> round(rank_correlation([1, 2, 3], [10, 30, 20]), 12)
    0.5
    """
    first, second = average_ranks(a), average_ranks(b)
    if len(first) < 2 or not (np.ptp(first) > 0 and np.ptp(second) > 0):
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])
