"""Affine operators in float64, on many points at once.

A tensor of one point, as the model has it with a batch of one, is a *sample*; here tensors are [M, *sample] for M
points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from onnx_ood._types import Array

# What the points' values of one operator become: [M, *sample] of each input that depends on the point → of the output.
Function = Callable[..., Array]


def lifted(sample: Array, rank: int) -> Array:
    """A constant as it broadcasts with samples of some rank: [1, *ones, *sample]."""
    return sample.reshape(1, *[1] * (rank - sample.ndim), *sample.shape)


def aligned(points: Array, rank: int) -> Array:
    """Points whose samples have fewer axes than `rank`, with the missing ones in front of the sample."""
    missing = rank - (points.ndim - 1)
    return points.reshape(len(points), *[1] * missing, *points.shape[1:]) if missing > 0 else points


def windows(
    shape: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    *,
    ceil: bool,
) -> NDArray[np.int64]:
    """Where the elements of each window of a sliding kernel lie.

    Args:
        shape: Spatial shape of the input, D axes.
        kernel: Shape of the window, D.
        strides: Steps of the window, D.
        pads: Padding, first all beginnings, then all ends, 2·D.
        dilations: Distance of the window's elements, D.
        ceil: True if a last window may reach beyond the padding.

    Returns:
        Positions in the flattened input, [*output, prod(kernel)]; −1 for padding.
    """
    places = np.arange(prod(shape)).reshape(shape)
    axes = len(shape)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    padding = []
    for axis in range(axes):
        before, after = pads[axis], pads[axes + axis]
        rest = (shape[axis] + before + after - reach[axis]) % strides[axis]
        extra = strides[axis] - rest if ceil and rest else 0
        # A window that would begin in the padding behind the input is left out.
        steps = (shape[axis] + before + after + extra - reach[axis]) // strides[axis]
        if extra and steps * strides[axis] >= shape[axis] + before:
            extra = 0
        padding.append((before, after + extra))
    padded = np.pad(places, padding, constant_values=-1)
    seen = sliding_window_view(padded, reach)
    seen = seen[tuple(slice(None, None, s) for s in strides) + tuple(slice(None, None, d) for d in dilations)]
    return seen.reshape(*seen.shape[:axes], -1)


def convolution(
    weight: Array,
    bias: Array | None,
    *,
    group: int,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
) -> Function:
    """Conv, as one product of matrices for each element of the kernel.

    Args:
        weight: [O, C/group, *kernel].
        bias: [O], or None.
        group: Number of groups.
        strides: D of them, as `pads` (2·D) and `dilations` (D).
        pads: See `windows`.
        dilations: See `windows`.
    """
    outputs, channels, *kernel = weight.shape
    axes = len(kernel)
    matrices = weight.reshape(group, outputs // group, channels, *kernel)

    def apply(points: Array) -> Array:
        x = points.reshape(-1, *points.shape[2:])
        count = len(x)
        before_after = [(pads[i], pads[axes + i]) for i in range(axes)]
        x = np.pad(x, [(0, 0), (0, 0), *before_after])
        sizes = [(x.shape[2 + i] - (kernel[i] - 1) * dilations[i] - 1) // strides[i] + 1 for i in range(axes)]
        total = np.zeros((count, group, outputs // group, prod(sizes)))
        for place in product(*map(range, kernel)):
            parts = tuple(
                slice(at * d, at * d + (size - 1) * s + 1, s)
                for at, d, s, size in zip(place, dilations, strides, sizes, strict=True)
            )
            seen = x[(slice(None), slice(None), *parts)].reshape(count, group, channels, -1)
            parts_of_weight: Any = (..., *place)
            matrix = matrices[parts_of_weight]
            # A group of one channel is a product of numbers, which a product of matrices makes slow.
            total += matrix[..., 0, np.newaxis] * seen if channels == 1 else matrix @ seen
        if bias is not None:
            total += bias.reshape(group, -1, 1)
        return total.reshape(*points.shape[:2], outputs, *sizes)

    return apply


def mean_of_windows(places: NDArray[np.int64], *, count_padding: bool) -> Function:
    """AveragePool.

    Args:
        places: As `windows` gives them, [*output, E].
        count_padding: True if padding counts as zeros.
    """
    inside = places >= 0
    counts = np.full(places.shape[:-1], places.shape[-1]) if count_padding else inside.sum(axis=-1)

    def apply(points: Array) -> Array:
        kept, spatial = points.shape[:3], prod(points.shape[3:])
        flat = points.reshape(*kept, spatial)
        total = np.zeros((*kept, *counts.shape))
        for element in range(places.shape[-1]):
            total += np.where(inside[..., element], flat[..., places[..., element]], 0)
        result: Array = total / counts
        return result

    return apply


def moved(places: NDArray[np.int64], fill: float) -> Function:
    """An operator that only moves elements about.

    Args:
        places: Where each element of the output comes from in the flattened sample; −1 for `fill`.
        fill: What stands at −1.
    """
    outside = places < 0

    def apply(points: Array) -> Array:
        taken: Array = points.reshape(len(points), -1)[:, places]
        return np.where(outside, fill, taken) if outside.any() else taken

    return apply
