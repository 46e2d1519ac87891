"""Gaussians of more dimensions than inputs to learn from: standardised, shrunk, and solved in the inputs' span."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float

SHRINKAGE = 0.5
"""Share of the identity in a covariance, where nothing else is said."""

# What is measured comes out of float32 networks: a spread of less than this share of the size is rounding.
_LEAST_SPREAD = 1e-6
# A singular value below this share of the largest one is 0 but for rounding.
_LEAST_SINGULAR = 1e-10


@dataclass(frozen=True)
class Standard:
    """What makes features comparable: mean and standard deviation of each over some inputs.

    Features that don't differ between these inputs, up to what float32 rounds (a standard deviation of at most 1e-6
    of the root mean square), are dropped. A floor instead would turn any rounding in them into a huge distance.

    Attributes:
        kept: Indices of the features that are kept, [K].
        mean: Their means, float64 [K].
        deviation: Their standard deviations (with n − 1), float64 [K].
    """

    kept: NDArray[np.intp]
    mean: Float
    deviation: Float

    @staticmethod
    def of(rows: Float) -> Standard:
        """Learns from inputs.

        Args:
            rows: Features, float64 [n, d], n at least 2, finite.

        Returns:
            Means and standard deviations; of no feature at all if none differs.

        Raises:
            ValueError: If there are fewer than two rows, or if they aren't finite.
        """
        if len(rows) < 2:
            raise ValueError(f"a spread needs two inputs, not {len(rows)}")
        if not np.isfinite(rows).all():
            raise ValueError("features have to be finite")
        deviation = rows.std(axis=0, ddof=1)
        kept = np.flatnonzero(deviation > _LEAST_SPREAD * np.sqrt((rows**2).mean(axis=0)))
        return Standard(kept, rows[:, kept].mean(axis=0), deviation[kept])

    def apply(self, rows: Float) -> Float:
        """(x − mean) / deviation of the kept features: float64 [N, K] of [N, d]."""
        standardised: Float = (rows[:, self.kept] - self.mean) / self.deviation
        return standardised


class ShrunkCovariance:
    """(1 − s)·C + s·(tr C / d)·I for C = RᵀR, without ever holding a d × d matrix.

    With R = U·diag(σ)·Vᵀ the matrix is (1 − s)·σ² + s·t in the directions of V, t = tr C / d, and s·t in all others.
    So where R has few rows, everything happens in their span. What lies outside is computed as what projecting onto
    the span leaves, not as a difference of squares, which would cancel.

    Source: O. Ledoit and M. Wolf, Journal of Multivariate Analysis 88 (2004), with s chosen, not estimated.
    """

    def __init__(self, roots: Float, shrinkage: float) -> None:
        """Decomposes R.

        Args:
            roots: R, float64 [r, d], not all 0.
            shrinkage: s, from 0 to 1.

        Raises:
            ValueError: If s is out of range, R is all 0, or s is 0 and C has no inverse.
        """
        if not 0 <= shrinkage <= 1:
            raise ValueError(f"the shrinkage has to be from 0 to 1, not {shrinkage}")
        _, singular, self._span = np.linalg.svd(roots, full_matrices=False)
        features = roots.shape[1]
        if not len(singular) or not singular[0] > 0:
            raise ValueError("there is no spread to learn from")
        if shrinkage == 0 and (len(singular) < features or singular[-1] <= _LEAST_SINGULAR * singular[0]):
            raise ValueError("the covariance of so few or such dependent features has no inverse; shrink it")
        self._complete = len(singular) == features
        self._outside = shrinkage * float(np.sum(singular**2)) / features
        self._inside = (1 - shrinkage) * singular**2 + self._outside

    def solve(self, rows: Float) -> Float:
        """The inverse times each row: float64 [N, d] of [N, d]."""
        along, left = self._split(rows)
        solved: Float = (along / self._inside) @ self._span
        return solved if left is None else solved + left / self._outside

    def squared_distances(self, rows: Float) -> Float:
        """xᵀ·M⁻¹·x of each row x: float64 [N] of [N, d]."""
        along, left = self._split(rows)
        total: Float = (along**2 / self._inside).sum(axis=1)
        return total if left is None else total + (left**2).sum(axis=1) / self._outside

    def _split(self, rows: Float) -> tuple[Float, Float | None]:
        """Coordinates in the span, [N, r], and what is outside, [N, d]; None where the span is everything."""
        along = rows @ self._span.T
        return along, None if self._complete else rows - along @ self._span


class ShrunkGaussian:
    """Mahalanobis distance from a few inputs, with standardised features and a shrunk covariance.

    d(x) = √(zᵀ·((1 − s)·C + s·(tr C / d)·I)⁻¹·z), z = (x − mean) / standard deviation of each feature, C the
    covariance of z over the inputs learnt from (with n − 1, so that its diagonal is 1). In float64 throughout.
    """

    def __init__(self, reference: Float, shrinkage: float = SHRINKAGE) -> None:
        """Learns mean, spread and covariance.

        Args:
            reference: Features of the inputs to learn from, float64 [n, d], finite; n may be far smaller than d.
            shrinkage: s, from 0 to 1. At 0 the distance doesn't depend on the features' scales, nor on any
                invertible linear map of them.

        Raises:
            ValueError: If there are fewer than two inputs, if they aren't finite or don't differ, if s is out of range,
                or if it is 0 and the covariance has no inverse.
        """
        self._standard = Standard.of(reference)
        standardised = self._standard.apply(reference)
        self._covariance = ShrunkCovariance(standardised / np.sqrt(len(reference) - 1), shrinkage)

    def distances(self, rows: Float) -> Float:
        """Distances of inputs, float64 [N], in standard deviations, from features [N, d]."""
        distances: Float = np.sqrt(self._covariance.squared_distances(self._standard.apply(rows)))
        return distances
