"""Activity profile of inputs: nine numbers per layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onnx_ood._types import Float
from onnx_ood.runtime import ChannelStatistics

# Added inside logarithms so that an activity of exactly 0 is not infinitely far.
_EPSILON = 1e-12
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
