"""Confidence intervals of means and shares."""

from __future__ import annotations

from functools import cache, partial
from math import exp, hypot, lgamma, log, log1p, pi, sqrt
from typing import NamedTuple

import numpy as np
from numpy.polynomial.legendre import leggauss
from numpy.typing import ArrayLike

# Found when first used: that takes a twentieth of a second, more than all else here together.
_quadrature = cache(partial(leggauss, 200))


class Interval(NamedTuple):
    """A mean and its confidence interval; NaN where there are too few values."""

    mean: float
    low: float
    high: float


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """The mean of some values, and Student's interval for that of what they are drawn from.

    mean ± t·s/√n with t of n − 1 degrees of freedom (Student, 1908): exact for normal values, good for means of many.

    Args:
        values: [n]; those that are not finite are left out.
        confidence: Probability that the interval holds the mean, between 0 and 1.
    """
    x = np.asarray(values, np.float64)
    x = x[np.isfinite(x)]
    if not len(x):
        return Interval(np.nan, np.nan, np.nan)
    mean = float(x.mean())
    if len(x) < 2:
        return Interval(mean, np.nan, np.nan)
    half = student_quantile((1 + confidence) / 2, len(x) - 1) * float(x.std(ddof=1)) / sqrt(len(x))
    return Interval(mean, mean - half, mean + half)


def median_interval(values: ArrayLike) -> Interval:
    """The median of some values, and a 95% interval for that of whatever they are drawn from.

    Between two order statistics: how many values lie below the median is binomial, with a share of one half (W. R.
    Thompson, Annals of Mathematical Statistics 7, 1936). Too few values, fewer than 6, have no such interval.

    Args:
        values: [n]; those that are not finite are left out.
    """
    x = np.asarray(values, np.float64)
    x = np.sort(x[np.isfinite(x)])
    n = len(x)
    if not n:
        return Interval(np.nan, np.nan, np.nan)
    # The largest number that is as rarely undercut: P(X < rank) is at most 2.5%.
    rank, below = 0, _chance_of_half(0, n)
    while below <= 0.025:
        rank += 1
        below += _chance_of_half(rank, n)
    if not rank:
        return Interval(float(np.median(x)), np.nan, np.nan)
    return Interval(float(np.median(x)), float(x[rank - 1]), float(x[n - rank]))


def _chance_of_half(count: int, total: int) -> float:
    """P(X = count) of a binomial distribution, of a share of one half."""
    return exp(lgamma(total + 1) - lgamma(count + 1) - lgamma(total - count + 1) - total * log(2))


def student_quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t distribution.

    Args:
        probability: Between 0.5 and 1.
        degrees: Degrees of freedom, at least 1.

    Returns:
        The t below which that share lies, right to about nine digits.
    """
    low, high = 0.0, 1.0
    while _above_zero(high, degrees) < probability - 0.5 and high < 1e12:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        if _above_zero(middle, degrees) < probability - 0.5:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _above_zero(t: float, degrees: int) -> float:
    """The distribution's mass between 0 and t, with t = √ν·tan φ: cos^(ν−1) φ, integrated over φ."""
    end = float(np.arctan(t / sqrt(degrees)))
    nodes, weights = _quadrature()
    angles = end * (nodes + 1) / 2
    scale = exp(lgamma((degrees + 1) / 2) - lgamma(degrees / 2)) / sqrt(pi)
    return scale * end / 2 * float((weights * np.cos(angles) ** (degrees - 1)).sum())


def difference_limit(now: float, end: float | None, before: float, other_end: float | None) -> float:
    """By how much two estimates may differ in one direction by chance, at 95% to either side together.

    From the parts of their intervals that face each other: √((now − end)² + (before − other end)²), the limit of a
    difference by G. Y. Zou and A. Donner (Statistics in Medicine 27, 2008). It takes the estimates for independent; of
    the same inputs they are not, and differ by chance less than that: what it finds worse is worse.

    Args:
        now: One estimate.
        end: The end of its interval that is nearer to the other estimate; None for none.
        before: The other estimate.
        other_end: The end of its interval that is nearer to the first.
    """
    return hypot(0.0 if end is None else now - end, 0.0 if other_end is None else before - other_end)


def share_interval(count: int, total: int) -> tuple[float, float]:
    """Exact 95% interval of a share (C. J. Clopper and E. S. Pearson, Biometrika 26, 1934).

    Args:
        count: k, how many of them.
        total: n, of how many; n ≥ 1.

    Returns:
        The shares at which k or more, and k or fewer, have a probability of 2.5%; 0 and 1 at the ends.
    """
    low = 0.0 if count == 0 else _share_where(count, total, 0.025)
    high = 1.0 if count == total else _share_where(count + 1, total, 0.975)
    return low, high


def _share_where(count: int, total: int, chance: float) -> float:
    """The share at which a binomial P(X ≥ count) is a chance; it rises from 0 to 1, so by bisection."""
    others = total + 1
    successes = np.arange(count, others)
    ways = lgamma(others) - np.array([lgamma(k + 1) + lgamma(others - k) for k in range(count, others)])
    low, high = 0.0, 1.0
    for _ in range(60):
        share = (low + high) / 2
        terms = np.exp(ways + successes * log(share) + (total - successes) * log1p(-share))
        low, high = (low, share) if terms.sum() > chance else (share, high)
    return (low + high) / 2
