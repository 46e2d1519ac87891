"""Linear discriminant between reference inputs and altered copies of them as pseudo-OOD inputs.

Altered copies (noise, blur, another scale, ...) can be made of any references. Real out-of-distribution inputs will be
like none of the alterations, so only what these have in common counts: each alteration contributes a direction of
length 1, however far out it is, and the spread is that within alterations.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.detectors.models.gaussian import ShrunkCovariance, Standardizer

# Keeps an alteration that is far out in a few features from determining the direction alone.
_CLIP = 6.0
_SHRINKAGE = 0.3


class Discriminant:
    """Fisher's discriminant between references and pseudo-OOD sets, regularised.

    Features are standardised by the references and clipped to ±6; features that do not differ between references are
    dropped, even if they differ in pseudo-OOD sets (see `Standardizer`). With C₀ the covariance of the references and
    C_k that of set k (each with n − 1), S = C₀ + mean C_k is shrunk to M = 0.7·S + 0.3·(tr S / d)·I, and the direction
    is w = M⁻¹·(mean over sets of Δ_k / ‖Δ_k‖), with Δ_k the mean difference between the inputs of set k and the
    references that they were made from; a set with Δ_k = 0 adds nothing. Differences within pairs do not depend on
    which references were altered, so a few pairs suffice. Without the division by ‖Δ_k‖, sets that are far out, which
    any direction separates, would determine it.

    Sources: R. A. Fisher, Annals of Eugenics 7 (1936); for the shrinkage J. H. Friedman, Journal of the American
    Statistical Association 84 (1989).
    """

    def __init__(
        self,
        reference: Float,
        pseudo_ood: Sequence[Float],
        made_from: Sequence[NDArray[np.intp]] | None = None,
    ) -> None:
        """Compute the direction, in the span of the inputs if these are fewer than features.

        Args:
            reference: Features of references, float64 [n, d], n at least 2, finite.
            pseudo_ood: Features of altered references, one float64 [n_k, d] per alteration, n_k at least 2, finite.
            made_from: Indices of the references that each set was made from, [n_k] each; None if each set was made
                from all references.

        Raises:
            ValueError: If there are no sets, too few inputs, features that are not finite, or no feature that differs
                between references.
        """
        if not pseudo_ood:
            raise ValueError("no pseudo-OOD sets given; give at least one")
        if min(map(len, pseudo_ood)) < 2:
            raise ValueError("a pseudo-OOD set has fewer than 2 inputs; give at least 2 in each")
        if not all(np.isfinite(one).all() for one in pseudo_ood):
            raise ValueError("features of a pseudo-OOD set are not finite; leave such inputs out")
        self._standardizer = Standardizer.of(reference)
        clipped = self._clipped(reference)
        sets = [self._clipped(one) for one in pseudo_ood]
        roots = [_root(clipped), *(_root(one) / np.sqrt(len(sets)) for one in sets)]
        originals = [clipped if made_from is None else clipped[made_from[k]] for k in range(len(sets))]
        apart = np.stack(
            [_unit(one.mean(axis=0) - of.mean(axis=0)) for one, of in zip(sets, originals, strict=True)]
        )
        covariance = ShrunkCovariance(np.concatenate(roots), _SHRINKAGE)
        self._direction = covariance.solve(apart.mean(axis=0)[np.newaxis])[0]
        self._by_set = covariance.solve(apart / len(sets))
        lengths = np.sqrt(np.maximum((self._by_set * apart).sum(axis=1) * len(sets), 0))
        # A set that does not differ from the references points nowhere.
        self._unit = self._by_set * len(sets) / np.where(lengths > 0, lengths, 1)[:, np.newaxis]

    def score(self, rows: Float) -> Float:
        """Return w·z of inputs, float64 [N], from features [N, d]; higher = more like pseudo-OOD inputs."""
        scores: Float = self._clipped(rows) @ self._direction
        return scores

    def contributions(self, rows: Float) -> Float:
        """Return w·z of each feature, float64 [N, d], which sum to the score, from features [N, d]."""
        return self._standardizer.scattered(self._clipped(rows) * self._direction, rows.shape[1])

    def contributions_by_set(self, rows: Float) -> Float:
        """Return the contribution of each of K sets, float64 [N, K], which sum to the score, from features [N, d].

        That of set k is (M⁻¹·Δ_k / ‖Δ_k‖)·z / K.
        """
        contributions: Float = self._clipped(rows) @ self._by_set.T
        return contributions

    def towards_sets(self, rows: Float) -> Float:
        """Return how far inputs are in the direction of each of K sets, float64 [N, K], from features [N, d].

        For set k that is Δ_kᵀ·M⁻¹·z / √(Δ_kᵀ·M⁻¹·Δ_k): Fisher's discriminant of this set alone, in a unit in which it
        has variance 1 where the covariance is M. 0 for a set with Δ_k = 0.
        """
        towards: Float = self._clipped(rows) @ self._unit.T
        return towards

    def contributions_to_sets(self, rows: Float, sets: NDArray[np.intp]) -> Float:
        """Return the contribution of each feature to `towards_sets` of one set an input.

        Args:
            rows: Features, float64 [N, d].
            sets: The set of each input, int [N].

        Returns:
            float64 [N, d], which sum to the input's value.
        """
        return self._standardizer.scattered(self._clipped(rows) * self._unit[sets], rows.shape[1])

    def _clipped(self, rows: Float) -> Float:
        return np.clip(self._standardizer.apply(rows), -_CLIP, _CLIP)


def _unit(vector: Float) -> Float:
    """Return a vector of length 1 in the same direction; 0 for 0."""
    length = np.linalg.norm(vector)
    return vector / length if length > 0 else vector


def _root(rows: Float) -> Float:
    """Return R with RᵀR the covariance, [n, d]."""
    root: Float = (rows - rows.mean(axis=0)) / np.sqrt(len(rows) - 1)
    return root
