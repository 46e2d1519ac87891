"""A linear discriminant between good inputs and altered copies of them, which stand for what is out of distribution.

Altered copies (noise, blur, another scale, ...) are controls that can always be made from the references. No kind of
them is what will come, so what all kinds have in common counts: each kind tells a direction, those of all kinds count
alike, however far out a kind is, and the spread is that within kinds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onnx_ood._types import Float
from onnx_ood.detectors.models.gaussian import ShrunkCovariance, Standard

# So that a control that is far out in a few features doesn't decide the direction alone.
_LIMIT = 6.0
_SHRINKAGE = 0.3


class Discriminant:
    """Fisher's discriminant between good inputs and controls, regularised.

    Features are standardised by the good inputs and clipped to ±6; those that don't differ between good inputs are
    dropped, even where they differ in the controls (see `Standard`). With C₀ the covariance of the good inputs and
    C_k that of kind k (each with its count − 1), S = C₀ + mean C_k is shrunk to M = 0.7·S + 0.3·(tr S / d)·I, and
    the direction is w = M⁻¹·(mean over kinds of Δ_k / ‖Δ_k‖), with Δ_k = mean of kind k − mean of the good inputs; a
    kind whose mean is that of the good inputs adds nothing. Without ‖Δ_k‖ the kinds that are far out, which any
    direction tells, would decide it.

    Sources: R. A. Fisher, Annals of Eugenics 7 (1936); for the shrinkage J. H. Friedman, Journal of the American
    Statistical Association 84 (1989).
    """

    def __init__(self, good: Float, controls: Sequence[Float]) -> None:
        """Finds the direction, in the span of the inputs where there are fewer of them than features.

        Args:
            good: Features of good inputs, float64 [n, d], n at least 2, finite.
            controls: Features of altered copies of them, one float64 [n_k, d] for each kind, n_k at least 2, finite.

        Raises:
            ValueError: If there are no kinds, too few inputs, features that aren't finite, or none that differs between
                good inputs.
        """
        if not controls:
            raise ValueError("there are no controls")
        if min(map(len, controls)) < 2:
            raise ValueError("a spread needs two controls of each kind")
        if not all(np.isfinite(kind).all() for kind in controls):
            raise ValueError("features have to be finite")
        self._standard = Standard.of(good)
        clipped = self._clipped(good)
        kinds = [self._clipped(kind) for kind in controls]
        roots = [_root(clipped), *(_root(kind) / np.sqrt(len(kinds)) for kind in kinds)]
        apart = np.mean([_unit(kind.mean(axis=0) - clipped.mean(axis=0)) for kind in kinds], axis=0)
        self._direction = ShrunkCovariance(np.concatenate(roots), _SHRINKAGE).solve(apart[np.newaxis])[0]

    def score(self, rows: Float) -> Float:
        """w·z of inputs, float64 [N], from features [N, d]; higher = more like controls than like good inputs."""
        scores: Float = self._clipped(rows) @ self._direction
        return scores

    def _clipped(self, rows: Float) -> Float:
        return np.clip(self._standard.apply(rows), -_LIMIT, _LIMIT)


def _unit(vector: Float) -> Float:
    """A vector of length 1 in the same direction; 0 of 0."""
    length = np.linalg.norm(vector)
    return vector / length if length > 0 else vector


def _root(rows: Float) -> Float:
    """R with RᵀR the covariance, [n, d]."""
    root: Float = (rows - rows.mean(axis=0)) / np.sqrt(len(rows) - 1)
    return root
