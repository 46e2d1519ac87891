"""Bootstrap of AUROCs, of their mean over sets, and of differences between detectors."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onnx_ood._types import Float
from onnx_ood.metrics.detection import area, nan_to_inf
from onnx_ood.metrics.openood import OpenOodMetrics, openood_metrics

RESAMPLES = 1000


class Resampling:
    """Resamples of one collection of inputs, the same for all detectors, so that differences are paired.

    B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993.

    >>> resampling = Resampling(3, {"noise": 2}, seed=0, resamples=4)
    >>> resampling.aurocs([1, 2, 3], {"noise": [4, 5]}).ravel()
    array([1., 1., 1., 1., 1.])
    """

    def __init__(self, id: int, ood: Mapping[str, int], seed: int, resamples: int = RESAMPLES) -> None:  # noqa: A002
        """Draw the resamples.

        Args:
            id: Number of in-distribution inputs.
            ood: Number of inputs of each out-of-distribution set.
            seed: Seed of the draws.
            resamples: B, the number of resamples.
        """
        rng = np.random.default_rng(seed)
        self._id = _weights(rng, id, resamples)
        self._ood = {name: _weights(rng, count, resamples) for name, count in ood.items()}

    def aurocs(self, id: ArrayLike, ood: Mapping[str, ArrayLike]) -> Float:  # noqa: A002
        """AUROC of one detector for each set, of the sample first and then of each resample, [1 + B, sets].

        Args:
            id: Scores of the in-distribution inputs.
            ood: Scores of each set.
        """
        reference = _Reference(id, self._id)
        return np.stack(
            [_aurocs(reference, ood[name], weights) for name, weights in self._ood.items()], axis=1
        )

    def openood(self, id: ArrayLike, ood: Mapping[str, ArrayLike]) -> dict[str, OpenOodMetrics]:  # noqa: A002
        """Metrics of OpenOOD v1.5 of one detector by set, of the sample first and then of each resample, [1 + B].

        Args:
            id: Scores of the in-distribution inputs.
            ood: Scores of each set; sets can be left out.
        """
        drawn = _with_sample(self._id)
        return {
            name: openood_metrics(id, scores, drawn, _with_sample(self._ood[name]))
            for name, scores in ood.items()
        }


class PairedResampling:
    """Resamples of inputs and their altered copies: an input is drawn together with all of its copies.

    The same for all detectors and alterations, so that means over these have intervals too.
    """

    def __init__(self, inputs: int, seed: int, resamples: int = RESAMPLES) -> None:
        """Draw the resamples.

        Args:
            inputs: n, the number of inputs.
            seed: Seed of the draws.
            resamples: B, the number of resamples.
        """
        self._weights = _weights(np.random.default_rng(seed), inputs, resamples)

    def aurocs(self, id: ArrayLike, altered: ArrayLike) -> Float:  # noqa: A002
        """AUROC of one detector for each alteration, of the sample first and then of each resample, [1 + B, ways].

        Args:
            id: Scores of the unaltered inputs, [n].
            altered: Scores of the same inputs altered, [n, ways].
        """
        reference = _Reference(id, self._weights)
        return np.stack([_aurocs(reference, one, self._weights) for one in np.asarray(altered).T], axis=1)


class _Reference:
    """Sorted scores of in-distribution inputs, with the cumulative weights of each resample."""

    def __init__(self, scores: ArrayLike, weights: Float) -> None:
        self.scores = nan_to_inf(scores)
        order = np.argsort(self.scores)
        self._sorted = self.scores[order]
        self._below = np.concatenate([np.zeros((1, len(weights))), np.cumsum(weights.T[order], axis=0)])

    def placements(self, scores: Float) -> Float:
        """Weighted fraction of each resample below each score, ties counted half, [len(scores), B]."""
        left, right = (np.searchsorted(self._sorted, scores, side=side) for side in ("left", "right"))
        fractions: Float = (self._below[left] + self._below[right]) / 2
        return fractions


def _aurocs(reference: _Reference, ood: ArrayLike, weights: Float) -> Float:
    """AUROC of the sample, then of each resample, [1 + B]."""
    scores = nan_to_inf(ood)
    resampled = (reference.placements(scores) * weights.T).sum(axis=0)
    return np.concatenate([[area(reference.scores, scores)], resampled])


def _weights(rng: np.random.Generator, count: int, resamples: int) -> Float:
    """Fraction of the draws of each resample that each input has, [B, count]."""
    return rng.multinomial(count, np.full(count, 1 / count), size=resamples) / count


def _with_sample(weights: Float) -> NDArray[np.int64]:
    """Count the draws of each input in the sample, once each, and then in each resample, int [1 + B, count]."""
    drawn = np.rint(weights * weights.shape[1]).astype(np.int64)
    return np.concatenate([np.ones((1, weights.shape[1]), np.int64), drawn])
