"""Rank and linear correlation, with bootstrap intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Correlation:
    """A correlation and where 95% of the bootstrap's lie.

    Attributes:
        value: The correlation; None if one side doesn't vary.
        low: The 2.5th percentile over resamples; None as well.
        high: The 97.5th percentile.
    """

    value: float | None
    low: float | None
    high: float | None


def pearson(x: Float, y: Float) -> Float:
    """Pearson's r along the last axis."""
    x, y = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.asarray((x * y).sum(axis=-1) / np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1)))


def kendall(x: Float, y: Float) -> Float:
    """Kendall's tau-b along the last axis: it corrects for ties, which every resample has."""
    above, right = np.triu_indices(x.shape[-1], 1)
    x, y = np.sign(x[..., above] - x[..., right]), np.sign(y[..., above] - y[..., right])
    with np.errstate(invalid="ignore"):
        return np.asarray((x * y).sum(axis=-1) / np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1)))


def bootstrap(x: Float, y: Float, resamples: int, seed: int) -> dict[str, Correlation]:
    """Correlates two samples [N].

    Args:
        x: One sample.
        y: The other.
        resamples: Number of resamples of pairs, with replacement.
        seed: Their seed.

    Returns:
        `kendall` and `pearson`.
    """
    chosen = np.random.default_rng(seed).integers(len(x), size=(resamples, len(x)))
    found = {}
    for correlate in (kendall, pearson):
        value = float(correlate(x, y))
        if np.isnan(value):
            found[correlate.__name__] = Correlation(None, None, None)
            continue
        # A resample of one pair alone doesn't vary.
        low, high = np.nanpercentile(correlate(x[chosen], y[chosen]), [2.5, 97.5])
        found[correlate.__name__] = Correlation(value, float(low), float(high))
    return found
