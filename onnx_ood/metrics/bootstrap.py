"""Bootstrap intervals of AUROCs, of their mean over sets, and of what two detectors differ by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from onnx_ood._types import Float
from onnx_ood.metrics.detection import nan_to_inf, placements

RESAMPLES = 1000


class Interval(NamedTuple):
    """A figure and where 95% of its resamples lie.

    Attributes:
        value: The figure.
        low: 2.5% of resamples are below.
        high: 2.5% are above.
    """

    value: float
    low: float
    high: float


class Resampling:
    """Resamples of one collection of inputs, the same for all detectors: differences are paired.

    B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993: percentile intervals.
    """

    def __init__(
        self, ordinary: int, strange: Mapping[str, int], seed: int, resamples: int = RESAMPLES
    ) -> None:
        """Draws.

        Args:
            ordinary: Number of ordinary inputs.
            strange: Number of inputs of each out-of-distribution set.
            seed: Seed of the draws.
            resamples: B, how many.
        """
        rng = np.random.default_rng(seed)
        self._ordinary = _weights(rng, ordinary, resamples)
        self._strange = {name: _weights(rng, count, resamples) for name, count in strange.items()}

    def aurocs(self, ordinary: ArrayLike, strange: Mapping[str, ArrayLike]) -> Float:
        """AUROC of one detector for each set, the sample itself first and then each resample, [1 + B, sets].

        Args:
            ordinary: Scores of the ordinary inputs.
            strange: Scores of each set.
        """
        usual = _Ordinary(ordinary, self._ordinary)
        return np.stack(
            [_aurocs(usual, strange[name], weights) for name, weights in self._strange.items()], axis=1
        )


class PairedResampling:
    """Resamples of inputs that are there altered too: an input is drawn together with all that was made of it.

    The same for all detectors and all ways to alter, so that means over these have intervals too.
    """

    def __init__(self, inputs: int, seed: int, resamples: int = RESAMPLES) -> None:
        """Draws.

        Args:
            inputs: n, how many there are.
            seed: Seed of the draws.
            resamples: B, how many.
        """
        self._weights = _weights(np.random.default_rng(seed), inputs, resamples)

    def aurocs(self, ordinary: ArrayLike, altered: ArrayLike) -> Float:
        """AUROC of one detector for each way, the sample itself first and then each resample, [1 + B, ways].

        Args:
            ordinary: Scores of the inputs as they are, [n].
            altered: Scores of the same inputs altered, [n, ways].
        """
        usual = _Ordinary(ordinary, self._weights)
        return np.stack([_aurocs(usual, one, self._weights) for one in np.asarray(altered).T], axis=1)


class _Ordinary:
    """Scores of ordinary inputs, in order, with what of each resample is below."""

    def __init__(self, scores: ArrayLike, weights: Float) -> None:
        self.scores = nan_to_inf(scores)
        order = np.argsort(self.scores)
        self._sorted = self.scores[order]
        self._below = np.concatenate([np.zeros((1, len(weights))), np.cumsum(weights.T[order], axis=0)])

    def below(self, scores: Float) -> Float:
        """Share of each resample that is below each score, ties counted half, [len(scores), B]."""
        left, right = (np.searchsorted(self._sorted, scores, side=side) for side in ("left", "right"))
        shares: Float = (self._below[left] + self._below[right]) / 2
        return shares


def _aurocs(ordinary: _Ordinary, strange: ArrayLike, weights: Float) -> Float:
    """AUROC of the sample, then of each resample, [1 + B]."""
    scores = nan_to_inf(strange)
    resampled = (ordinary.below(scores) * weights.T).sum(axis=0)
    return np.concatenate([[placements(ordinary.scores, scores).mean()], resampled])


def interval(samples: Float) -> Interval:
    """The interval of a figure.

    Args:
        samples: The figure itself, then its resamples, [1 + B].
    """
    low, high = np.quantile(samples[1:], [0.025, 0.975])
    return Interval(float(samples[0]), float(low), float(high))


def _weights(rng: np.random.Generator, count: int, resamples: int) -> Float:
    """How often each input is drawn in each resample, as a share, [B, count]."""
    return rng.multinomial(count, np.full(count, 1 / count), size=resamples) / count
