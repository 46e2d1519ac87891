"""Distance from the nearest reference, layer by layer, by the peaks of channels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float

LAYERS = 3
"""Last layers that count."""
_EPSILON = 1e-9


class LayerNeighbours:
    """Mean over layers of the logarithm of the distance from the nearest reference.

    With a the peaks of the channels of a layer (the magnitude of the largest value over positions), the distance of an
    input from a reference is that of the directions, ‖a / ‖a‖ − r / ‖r‖‖. The score is the mean over layers of
    log(smallest distance + 1e-9). Peaks are neither centred nor standardised: with few references, channels that vary
    little would outweigh the others.

    Source: after Y. Sun et al., ICML 2022 (k-NN on normalised features), with k = 1, at several layers.

    >>> neighbours = LayerNeighbours([np.array([[1.0, 0.0], [0.0, 2.0]])])
    >>> np.exp(neighbours.score([np.array([[0.0, 5.0], [3.0, 4.0]])])).round(4)
    array([0.    , 0.6325])
    """

    def __init__(self, reference: Sequence[NDArray[np.floating]]) -> None:
        """Keep the directions of references.

        Args:
            reference: Peaks of the channels of each of L layers, float [n, C] each, of n references.

        Raises:
            ValueError: If there are no layers or no references.
        """
        if not reference or not len(reference[0]):
            raise ValueError("neighbours need at least one layer and one reference")
        self._known = [_directions(layer) for layer in reference]

    def by_layer(self, inputs: Sequence[NDArray[np.floating]]) -> Float:
        """Return the logarithm of the distance from the nearest reference at each layer.

        Args:
            inputs: Peaks of the channels of each layer, float [N, C] each.

        Returns:
            float64 [N, L].
        """
        distances = []
        for known, layer in zip(self._known, inputs, strict=True):
            cosines = (_directions(layer) @ known.T).max(axis=1)
            distances.append(np.log(np.sqrt(np.maximum(2 - 2 * cosines, 0)) + _EPSILON))
        return np.stack(distances, axis=1)

    def score(self, inputs: Sequence[NDArray[np.floating]]) -> Float:
        """Return the scores of N inputs, float64 [N]; higher = farther from all references."""
        scores: Float = self.by_layer(inputs).mean(axis=1)
        return scores


def _directions(layer: NDArray[np.floating]) -> Float:
    activity = np.asarray(layer, np.float64)
    directions: Float = activity / np.maximum(np.linalg.norm(activity, axis=1, keepdims=True), _EPSILON)
    return directions
