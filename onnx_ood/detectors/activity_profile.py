"""Activity profile of inputs: nine numbers per layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.runtime import ChannelStatistics

# Added inside logarithms so that an activity of exactly 0 is not infinitely far.
_EPSILON = 1e-12
# The same for single channels, of which many are inactive for most inputs: their logarithms should not be far out.
_PEAK_EPSILON = 1e-9
# Channels of a layer whose peaks are kept one by one.
_MAX_CHANNELS = 64
NUMBERS = 9
"""Numbers of a layer in an activity profile."""


def activity_profile(layers: Sequence[ChannelStatistics]) -> Float:
    """Return the activity profile of inputs.

    With m, s, x and a the mean, standard deviation, largest value and active share of a channel over its positions, and
    means, variances and standard deviations over channels, the numbers of a layer are, in this order:

    1. ½·log mean(m² + s²): size of the layer's activity,
    2. ½·log mean m²: size of its channels' means,
    3. ½·log mean s² − ½·log mean m²: variation between positions,
    4. ½·log mean x² − ½·log mean m²: height of the peaks,
    5. log max|x|: highest peak,
    6. ½·log var m − ½·log mean m²: variation between channels,
    7. ½·log var s − ½·log mean s²: the same of the spread over positions,
    8. mean a: density,
    9. standard deviation of a.

    Logarithms are natural, with 1e-12 added to their arguments.

    Args:
        layers: Channel statistics of each of L layers, of the same N inputs.

    Returns:
        The profile, float64 [N, 9·L], one layer after another.

    Raises:
        ValueError: If there are no layers.
    """
    return np.concatenate([_numbers(layer) for layer in layers], axis=1)


def channel_peaks(layer: ChannelStatistics) -> NDArray[np.float32]:
    """Return the logarithm of the highest peak of channels of a layer: log(|x| + 1e-9), x the largest value.

    Args:
        layer: Channel statistics of N inputs and C channels.

    Returns:
        float32 [N, min(C, 64)]; of more than 64 channels, 64 spaced evenly: more change nothing
        (docs/detectors.md).
    """
    channels = layer.largest.shape[1]
    chosen = np.unique(np.linspace(0, channels - 1, min(channels, _MAX_CHANNELS)).round().astype(np.intp))
    peaks: NDArray[np.float32] = np.log(np.abs(layer.largest[:, chosen]) + _PEAK_EPSILON).astype(np.float32)
    return peaks


def _numbers(layer: ChannelStatistics) -> Float:
    mean_square, variance = layer.mean**2, layer.variance
    size = _half_log(mean_square.mean(axis=1))
    spread = _half_log(variance.mean(axis=1))
    return np.stack(
        [
            _half_log((mean_square + variance).mean(axis=1)),
            size,
            spread - size,
            _half_log((layer.largest**2).mean(axis=1)) - size,
            np.log(np.abs(layer.largest).max(axis=1) + _EPSILON),
            _half_log(layer.mean.var(axis=1)) - size,
            _half_log(np.sqrt(variance).var(axis=1)) - spread,
            layer.active.mean(axis=1),
            layer.active.std(axis=1),
        ],
        axis=1,
    )


def _half_log(squares: Float) -> Float:
    logs: Float = 0.5 * np.log(squares + _EPSILON)
    return logs
