"""Compiled reduction of activations to channel statistics."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from onnx_ood.runtime.kernels.compiler import compiled


class ChannelSums(NamedTuple):
    """Statistics of R inputs and C channels over positions.

    Attributes:
        mean: float64 [R, C].
        variance: float64 [R, C], around that mean.
        largest: float64 [R, C].
        active: Fraction of positions above 0, float64 [R, C].
    """

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    largest: NDArray[np.float64]
    active: NDArray[np.float64]


def channel_sums(activations: NDArray[Any]) -> ChannelSums:
    """Reduce the positions of each channel.

    Args:
        activations: [R, C, S], float32 or float64, contiguous: C channels of S positions.

    Returns:
        The statistics. Sums are float64 and relative to the first position of each channel, so that a variance keeps
        its digits if the mean is much larger.
    """
    # Floats that are not negative are in the order of their bits as integers; negative floats in reverse order.
    bits = activations.view(np.dtype(f"i{activations.itemsize}"))
    shape = activations.shape[:2]
    mean, variance, active = np.empty(shape), np.empty(shape), np.empty(shape)
    largest = np.empty(shape, bits.dtype)
    compiled(_channel_sums)(activations, bits, mean, variance, largest, active)
    top = largest.view(activations.dtype).astype(np.float64)
    # Bits of a NaN may be those of the smallest number.
    top[np.isnan(mean)] = np.nan
    return ChannelSums(mean, variance, top, active)


def _channel_sums(a, bits, mean, variance, largest, active):  # type: ignore[no-untyped-def]
    rows, channels, places = a.shape
    for row in range(rows):
        for channel in range(channels):
            values, keys = a[row, channel], bits[row, channel]
            first = np.float64(values[0])
            total, squares, on = 0.0, 0.0, np.int32(0)
            # Of integers, since the largest of floats keeps the compiler from using vectors: a NaN may come.
            highest = lowest = keys[0]
            for i in range(places):
                d = np.float64(values[i]) - first
                total += d
                squares += d * d
                on += np.int32(values[i] > 0)
                highest, lowest = max(highest, keys[i]), min(lowest, keys[i])
            shift = total / places
            mean[row, channel] = first + shift
            variance[row, channel] = max(squares / places - shift * shift, 0.0)
            largest[row, channel] = highest if highest >= 0 else lowest
            active[row, channel] = on / places
