"""Deviation of channels from reference inputs, channel by channel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.detectors.models.gaussian import Standardizer

# Largest deviation of a channel: one that hardly varies between references doesn't determine a layer alone.
_CLIP = 1e3
# Added to mean squares so that no deviation is not infinitely small.
_EPSILON = 1e-12


class ChannelDeviation:
    """Mean over layers of the logarithm of the root mean square deviation of a layer's channels.

    With z the peak of a channel in standard deviations of the references, the score of an input is the mean over
    layers of ½·log(mean z² over the channels of a layer). In contrast to a distance from the mean of a profile it
    notices channels that move against each other.

    >>> deviation = ChannelDeviation([np.array([[-1.0], [0.0], [1.0]])])
    >>> deviation.score([np.array([[1.0], [10.0]])]).round(6)
    array([0.      , 2.302585])
    """

    def __init__(self, reference: Sequence[NDArray[np.floating]]) -> None:
        """Learn the mean and spread of each channel.

        Args:
            reference: Peaks of the channels of each of L layers, float [n, C] each, of n references, at least 2,
                finite.

        Raises:
            ValueError: If there are fewer than two references, or they are not finite.
        """
        self._layers = [Standardizer.of(np.asarray(layer, np.float64)) for layer in reference]

    def by_layer(self, inputs: Sequence[NDArray[np.floating]]) -> Float:
        """Return the logarithm of each layer's deviation.

        Args:
            inputs: Peaks of the channels of each layer, float [N, C] each.

        Returns:
            float64 [N, L']; of the layers with channels that differ between references.
        """
        found = [
            0.5
            * np.log(
                (np.clip(known.apply(np.asarray(layer, np.float64)), -_CLIP, _CLIP) ** 2).mean(axis=1)
                + _EPSILON
            )
            for known, layer in zip(self._layers, inputs, strict=True)
            if len(known.kept)
        ]
        return np.stack(found, axis=1) if found else np.zeros((len(inputs[0]), 0))

    def score(self, inputs: Sequence[NDArray[np.floating]]) -> Float:
        """Return the scores of inputs, float64 [N]; 0 for all if no channel differs between references."""
        deviations = self.by_layer(inputs)
        scores: Float = deviations.mean(axis=1) if deviations.shape[1] else np.zeros(len(deviations))
        return scores

    def largest(self, inputs: Sequence[NDArray[np.floating]]) -> NDArray[np.intp]:
        """Return the layer of each input with the largest deviation, [N]; -1 without any."""
        places = np.array([place for place, known in enumerate(self._layers) if len(known.kept)], np.intp)
        deviations = self.by_layer(inputs)
        return places[deviations.argmax(axis=1)] if len(places) else np.full(len(deviations), -1, np.intp)
