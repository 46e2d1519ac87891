"""Estimates with confidence intervals, and standard errors."""

from __future__ import annotations

from math import exp, hypot, lgamma, log, sqrt

import numpy as np
from numpy.typing import ArrayLike

from onnx_ood._types import Estimate, Float


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Mean with Student's confidence interval.

    mean ± t·s/√n with t of n − 1 degrees of freedom (Student, Biometrika 6, 1908): exact for normal values, good for
    means of many.

    Args:
        values: [n]; values that are not finite are left out.
        confidence: Probability that the interval holds the mean, between 0 and 1.

    Returns:
        The mean and its interval; NaN where there are too few values.

    >>> mean, low, high = mean_interval([1.0, 2.0, 3.0])
    >>> mean, round(low, 3), round(high, 3)
    (2.0, -0.484, 4.484)
    """
    x = np.asarray(values, np.float64)
    x = x[np.isfinite(x)]
    if not len(x):
        return Estimate(np.nan, np.nan, np.nan)
    mean = float(x.mean())
    if len(x) < 2:
        return Estimate(mean, np.nan, np.nan)
    from scipy.special import stdtrit  # noqa: PLC0415 - takes as long as numpy, see docs/decisions/scipy.md

    half = float(stdtrit(len(x) - 1, (1 + confidence) / 2)) * float(x.std(ddof=1)) / sqrt(len(x))
    return Estimate(mean, mean - half, mean + half)


def median_interval(values: ArrayLike) -> Estimate:
    """Median with a distribution-free 95% confidence interval.

    The interval lies between two order statistics: the number of values below the median is binomial with probability
    one half (W. R. Thompson, Annals of Mathematical Statistics 7, 1936).

    Args:
        values: [n]; values that are not finite are left out.

    Returns:
        The median and its interval; the interval is NaN for fewer than 6 values.

    >>> median_interval(range(1, 11))
    Estimate(value=5.5, low=2.0, high=9.0)
    """
    x = np.asarray(values, np.float64)
    x = np.sort(x[np.isfinite(x)])
    n = len(x)
    if not n:
        return Estimate(np.nan, np.nan, np.nan)
    # The largest rank with P(X < rank) of at most 2.5%.
    rank, below = 0, _half_binomial(0, n)
    while below <= 0.025:
        rank += 1
        below += _half_binomial(rank, n)
    if not rank:
        return Estimate(float(np.median(x)), np.nan, np.nan)
    return Estimate(float(np.median(x)), float(x[rank - 1]), float(x[n - rank]))


def _half_binomial(count: int, total: int) -> float:
    """P(X = count) of a binomial distribution with probability one half."""
    return exp(lgamma(total + 1) - lgamma(count + 1) - lgamma(total - count + 1) - total * log(2))


def fraction_interval(count: int, total: int) -> Estimate:
    """Fraction with its exact 95% interval (C. J. Clopper and E. S. Pearson, Biometrika 26, 1934).

    Args:
        count: k, the number of successes.
        total: n ≥ 1, the number of trials.

    Returns:
        k/n, and the probabilities of success at which k or more, and k or fewer, successes have a probability of 2.5%;
        0 and 1 at the ends.

    >>> value, low, high = fraction_interval(9, 10)
    >>> value, round(low, 4), round(high, 4)
    (0.9, 0.555, 0.9975)
    """
    from scipy.special import betaincinv  # noqa: PLC0415 - takes as long as numpy, see docs/decisions/scipy.md

    low = float(betaincinv(count, total - count + 1, 0.025)) if count else 0.0
    high = float(betaincinv(count + 1, total - count, 0.975)) if count < total else 1.0
    return Estimate(count / total, low, high)


def percentile_interval(samples: Float) -> Estimate:
    """Value with the bootstrap's 95% percentile interval.

    B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.

    Args:
        samples: The value itself, then its resamples, [1 + B].

    >>> percentile_interval(np.array([5.0, *range(101)]))
    Estimate(value=5.0, low=2.5, high=97.5)
    """
    low, high = np.quantile(samples[1:], [0.025, 0.975])
    return Estimate(float(samples[0]), float(low), float(high))


def difference_limit(now: float, end: float | None, before: float, other_end: float | None) -> float:
    """Largest difference of two estimates in one direction that chance explains, two-sided at 95%.

    From the parts of their intervals that face each other: √((now − end)² + (before − other end)²), the limit of a
    difference by G. Y. Zou and A. Donner (Statistics in Medicine 27, 2008), for independent estimates. Estimates from
    the same inputs differ less by chance, so the limit is conservative for them.

    Args:
        now: One estimate.
        end: The end of its interval that is nearer to the other estimate; None for none.
        before: The other estimate.
        other_end: The end of its interval that is nearer to the first.

    >>> difference_limit(10.0, 7.0, 2.0, 6.0)
    5.0
    """
    return hypot(0.0 if end is None else now - end, 0.0 if other_end is None else before - other_end)


def standard_error(values: Float) -> Float:
    """Compute the standard error of the mean over copies, s/√K.

    Args:
        values: [N, K, P], K independent draws.

    Returns:
        float64 [N, P]; NaN for a single copy.

    >>> standard_error(np.array([[[1.0], [3.0]]]))
    array([[1.]])
    """
    copies = values.shape[1]
    if copies == 1:
        return np.full((len(values), values.shape[2]), np.nan)
    error: Float = values.std(axis=1, ddof=1) / np.sqrt(copies)
    return error
