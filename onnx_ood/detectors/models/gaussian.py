"""Gaussians with more dimensions than inputs to learn from: standardised and shrunk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float

SHRINKAGE = 0.5
"""Default share of the identity in a covariance."""

# Features come out of float32 networks: a spread below this share of their size is rounding.
_MIN_SPREAD = 1e-6
# A singular value below this share of the largest is 0 up to rounding.
_MIN_SINGULAR = 1e-10


@dataclass(frozen=True)
class Standardizer:
    """Mean and standard deviation of each feature over some inputs.

    Features that do not differ between these inputs, up to float32 rounding (a standard deviation of at most 1e-6 of
    the root mean square), are dropped. A lower bound instead would turn any rounding in them into a huge distance.

    Attributes:
        kept: Indices of the K features that are kept, [K].
        mean: Their means, float64 [K].
        deviation: Their standard deviations (with n − 1), float64 [K].
    """

    kept: NDArray[np.intp]
    mean: Float
    deviation: Float

    @staticmethod
    def of(rows: Float) -> Standardizer:
        """Learn from inputs.

        Args:
            rows: Features, float64 [n, d], n at least 2, finite.

        Returns:
            Means and standard deviations; of no feature if none differs.

        Raises:
            ValueError: If there are fewer than two rows, or they are not finite.
        """
        if len(rows) < 2:
            raise ValueError(f"a spread needs at least 2 inputs, found {len(rows)}")
        if not np.isfinite(rows).all():
            raise ValueError("features are not finite; leave such inputs out")
        deviation = rows.std(axis=0, ddof=1)
        kept = np.flatnonzero(deviation > _MIN_SPREAD * np.sqrt((rows**2).mean(axis=0)))
        return Standardizer(kept, rows[:, kept].mean(axis=0), deviation[kept])

    def apply(self, rows: Float) -> Float:
        """Return (x − mean) / deviation of the kept features, float64 [N, K], from features [N, d]."""
        standardised: Float = (rows[:, self.kept] - self.mean) / self.deviation
        return standardised

    def scattered(self, kept: Float, features: int) -> Float:
        """Return values of the kept features at their places among all, float64 [N, d]; 0 for dropped ones."""
        values = np.zeros((len(kept), features))
        values[:, self.kept] = kept
        return values


class ShrunkCovariance:
    """M = (1 − s)·C + t·I for C = RᵀR and t = s·tr C / d, and its inverse.

    If R has fewer rows than columns, no d × d matrix is made:
    M⁻¹ = (I − (1 − s)·Rᵀ·((1 − s)·R·Rᵀ + t·I)⁻¹·R) / t. M is well-conditioned, by at most 1 + d·(1 − s) / s, so the
    difference keeps its digits.

    Sources: O. Ledoit and M. Wolf, Journal of Multivariate Analysis 88 (2004), with s chosen, not estimated; for the
    inverse M. A. Woodbury, Memorandum Report 42, Princeton University (1950).
    """

    def __init__(self, roots: Float, shrinkage: float) -> None:
        """Invert the smaller of the two matrices.

        Args:
            roots: R, float64 [r, d], not all 0.
            shrinkage: s, from 0 to 1.

        Raises:
            ValueError: If s is out of range, R is all 0, or s is 0 and C has no inverse.
        """
        if not 0 <= shrinkage <= 1:
            raise ValueError(f"shrinkage {shrinkage} is out of range; choose it from 0 to 1")
        rows, features = roots.shape
        trace = float(np.sum(roots**2))
        if not trace > 0:
            raise ValueError("features have no spread; give inputs that differ")
        self._outside = shrinkage * trace / features
        self._roots = roots if rows < features else None
        if shrinkage == 0:
            # An inverse of C would square the condition of R, which nothing bounds here.
            _, singular, span = np.linalg.svd(roots, full_matrices=False)
            if rows < features or singular[-1] <= _MIN_SINGULAR * singular[0]:
                raise ValueError("the covariance has no inverse; use a shrinkage above 0")
            self._inverse = (span.T / singular**2) @ span
        else:
            products = roots.T @ roots if self._roots is None else roots @ roots.T
            self._inverse = np.linalg.inv((1 - shrinkage) * products + self._outside * np.eye(len(products)))
        if self._roots is not None:
            self._inverse *= 1 - shrinkage

    def solve(self, rows: Float) -> Float:
        """Return the inverse times each row, float64 [N, d], from rows [N, d]."""
        if self._roots is None:
            return np.asarray(rows @ self._inverse)
        solved: Float = (rows - rows @ self._roots.T @ self._inverse @ self._roots) / self._outside
        return solved

    def squared_distances(self, rows: Float) -> Float:
        """Return xᵀ·M⁻¹·x of each row x, float64 [N], from rows [N, d]."""
        total: Float = (rows * self.solve(rows)).sum(axis=1)
        return np.maximum(total, 0)


class ShrunkGaussian:
    """Mahalanobis distance from few inputs, with standardised features and a shrunk covariance.

    d(x) = √(zᵀ·((1 − s)·C + s·(tr C / d)·I)⁻¹·z), z = (x − mean) / standard deviation of each feature, C the
    covariance of z over the reference inputs (with n − 1, so that its diagonal is 1). In float64 throughout.

    >>> gaussian = ShrunkGaussian(np.array([[-1.0], [0.0], [1.0]]))
    >>> gaussian.distances(np.array([[0.0], [3.0]]))
    array([0., 3.])
    """

    def __init__(self, reference: Float, shrinkage: float = SHRINKAGE) -> None:
        """Learn mean, spread and covariance.

        Args:
            reference: Features of the inputs to learn from, float64 [n, d], finite; n may be far smaller than d.
            shrinkage: s, from 0 to 1. At 0 the distance does not depend on the features' scales, nor on any
                invertible linear map of them.

        Raises:
            ValueError: If there are fewer than two inputs, they are not finite or do not differ, s is out of range, or
                s is 0 and the covariance has no inverse.
        """
        self._standardizer = Standardizer.of(reference)
        standardised = self._standardizer.apply(reference)
        self._covariance = ShrunkCovariance(standardised / np.sqrt(len(reference) - 1), shrinkage)

    def distances(self, rows: Float) -> Float:
        """Return distances of inputs, float64 [N], in standard deviations, from features [N, d]."""
        distances: Float = np.sqrt(self._covariance.squared_distances(self._standardizer.apply(rows)))
        return distances

    def contributions(self, rows: Float) -> Float:
        """Return the contribution of each feature to the squared distance: z·(M⁻¹·z), elementwise.

        Args:
            rows: Features, float64 [N, d].

        Returns:
            Contributions, float64 [N, d], which sum to d²; correlated features can contribute negatively.
        """
        standardised = self._standardizer.apply(rows)
        return self._standardizer.scattered(
            standardised * self._covariance.solve(standardised), rows.shape[1]
        )
