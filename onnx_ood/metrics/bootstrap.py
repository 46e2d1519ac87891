"""Bootstrap intervals of AUROCs, of their mean over sets, and of what two detectors differ by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onnx_ood.metrics.detection import wins

Float = NDArray[np.float64]

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
        low = np.asarray(ordinary, np.float64)
        columns = []
        for name, weights in self._strange.items():
            high = np.asarray(strange[name], np.float64)
            # above[i, j] is 1 where strange input j scores above ordinary input i, ½ where as high.
            above = np.stack([wins(low[i : i + 1], high) for i in range(len(low))])
            resampled = ((self._ordinary @ above) * weights).sum(axis=1)
            columns.append(np.concatenate([[above.mean()], resampled]))
        return np.stack(columns, axis=1)


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
