"""Ranks: how well a score ranks one group above another, and how alike two scores rank the same things."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Two-sided 95% of the normal distribution.
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Auroc:
    """Area under the ROC curve with a 95% confidence interval.

    Attributes:
        value: Probability that a positive scores above a negative, ties counted half.
        low: Lower bound.
        high: Upper bound.
    """

    value: float
    low: float
    high: float


def auroc(negatives: ArrayLike, positives: ArrayLike) -> Auroc:
    """Area under the ROC curve of a score that should be higher for positives.

    The interval is Newcombe's method 5, which keeps its width at 0 and 1, where bootstrap and DeLong collapse
    (R. G. Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney statistic. Part 2",
    Statistics in Medicine 25, 2006).

    Args:
        negatives: Scores of the ordinary group, [m], m ≥ 1.
        positives: Scores of the group that should be higher, [n], n ≥ 1.

    Returns:
        The area, in [0, 1], and its interval.
    """
    low_group = np.sort(np.asarray(negatives, dtype=np.float64))
    high_group = np.asarray(positives, dtype=np.float64)
    m, n = len(low_group), len(high_group)
    below = np.searchsorted(low_group, high_group, side="left").sum()
    up_to = np.searchsorted(low_group, high_group, side="right").sum()
    value = float(below + up_to) / (2 * m * n)
    return Auroc(value, _bound(value, m, n, end=0.0), _bound(value, m, n, end=1.0))


def _bound(value: float, m: int, n: int, end: float) -> float:
    """The θ between `value` and `end` whose standard error puts `value` just z away, by bisection."""
    inside, outside = value, end
    for _ in range(60):
        middle = (inside + outside) / 2
        if abs(value - middle) <= _Z * _standard_error(middle, m, n):
            inside = middle
        else:
            outside = middle
    return inside


def _standard_error(theta: float, m: int, n: int) -> float:
    pairs = (m + n) / 2 - 1
    spread = 1 + pairs * ((1 - theta) / (2 - theta) + theta / (1 + theta))
    return sqrt(max(theta * (1 - theta) * spread, 0.0) / (m * n))


def average_ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Ranks from 1, the least first, equal values sharing the mean of theirs.

    Args:
        values: [n]; NaN ranks last.

    Returns:
        float64 [n].
    """
    x = np.asarray(values, np.float64)
    ordered = np.sort(x)
    left = np.searchsorted(ordered, x, side="left")
    right = np.searchsorted(ordered, x, side="right")
    ranks: NDArray[np.float64] = (left + right + 1) / 2
    return ranks


def rank_correlation(a: ArrayLike, b: ArrayLike) -> float:
    """Spearman's correlation (C. Spearman, American Journal of Psychology 15, 1904): Pearson's, of average ranks.

    Args:
        a: Values, [n].
        b: Others of the same things, [n].

    Returns:
        From -1 to 1; NaN for fewer than two, or where all of one are equal.
    """
    first, second = average_ranks(a), average_ranks(b)
    if len(first) < 2 or not (np.ptp(first) > 0 and np.ptp(second) > 0):
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])
