"""Operators with sliding windows: convolution and pooling."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from onnx import NodeProto

from onnx_ood._types import Array
from onnx_ood.graph import attribute_values
from onnx_ood.piecewise.operators.registry import Context, UnsupportedError, operator
from onnx_ood.piecewise.steps import Affine, Function, Maximum, Step


def window_indices(
    shape: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    *,
    ceil: bool,
) -> NDArray[np.int64]:
    """Compute the indices of the elements in each window of a sliding kernel.

    Args:
        shape: Spatial shape of the input, D axes.
        kernel: Shape of the window, D.
        strides: Strides of the window, D.
        pads: Padding, first all beginnings, then all ends, 2·D.
        dilations: Distances of the window's elements, D.
        ceil: True if a last window may extend beyond the padding.

    Returns:
        Indices into the flattened input, [*output, prod(kernel)]; −1 for padding.
    """
    indices = np.arange(prod(shape)).reshape(shape)
    axes = len(shape)
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    padding = []
    for axis in range(axes):
        before, after = pads[axis], pads[axes + axis]
        rest = (shape[axis] + before + after - extent[axis]) % strides[axis]
        extra = strides[axis] - rest if ceil and rest else 0
        # A window that would start in the padding after the input is left out.
        steps = (shape[axis] + before + after + extra - extent[axis]) // strides[axis]
        if extra and steps * strides[axis] >= shape[axis] + before:
            extra = 0
        padding.append((before, after + extra))
    padded = np.pad(indices, padding, constant_values=-1)
    windows = sliding_window_view(padded, extent)
    windows = windows[
        tuple(slice(None, None, s) for s in strides) + tuple(slice(None, None, d) for d in dilations)
    ]
    return windows.reshape(*windows.shape[:axes], -1)


@operator("Conv")
def conv(context: Context, node: NodeProto) -> list[Step]:
    """Read a Conv."""
    weight, bias = context.required(node, 1), context.number(node, 2)
    if context.varying(node) != (node.input[0],):
        raise UnsupportedError("its weights depend on the model's input")
    geometry = _geometry(node, context.samples[node.input[0]][2:], weight.shape[2:])
    apply = _convolution(weight, bias, group=attribute_values(node).get("group", 1), **geometry)
    return [Affine((node.input[0],), node.output[0], apply)]


@operator("AveragePool", "GlobalAveragePool")
def average_pool(context: Context, node: NodeProto) -> list[Step]:
    """Read an average pool."""
    count_padding = bool(attribute_values(node).get("count_include_pad", 0))
    apply = _mean_of_windows(_pool_indices(context, node), count_padding=count_padding)
    return [Affine((node.input[0],), node.output[0], apply)]


@operator("MaxPool", "GlobalMaxPool", units=True)
def max_pool(context: Context, node: NodeProto) -> list[Step]:
    """Read a max pool."""
    indices = _pool_indices(context, node)
    channels = context.samples[node.input[0]][:2]
    outside = indices < 0

    def candidates(points: Array) -> Array:
        windows = points.reshape(*points.shape[:3], -1)[..., indices]
        return np.where(outside, -np.inf, windows).reshape(len(points), -1, indices.shape[-1])

    def finish(largest: Array) -> Array:
        return largest.reshape(len(largest), *channels, *indices.shape[:-1])

    return [Maximum((node.input[0],), node.output[0], candidates, finish)]


def _geometry(node: NodeProto, shape: Sequence[int], kernel: Sequence[int]) -> dict[str, list[int]]:
    """Strides, pads and dilations of a node whose window slides over `shape`."""
    given, axes = attribute_values(node), len(kernel)
    strides = list(given.get("strides", [1] * axes))
    dilations = list(given.get("dilations", [1] * axes))
    pads = list(given.get("pads", [0] * 2 * axes))
    auto_pad = given.get("auto_pad", b"NOTSET").decode()
    if auto_pad in {"SAME_UPPER", "SAME_LOWER"}:
        total = [
            max(0, (-(-size // s) - 1) * s + (k - 1) * d + 1 - size)
            for size, s, k, d in zip(shape, strides, kernel, dilations, strict=True)
        ]
        smaller = [t // 2 for t in total]
        larger = [t - half for t, half in zip(total, smaller, strict=True)]
        pads = [*smaller, *larger] if auto_pad == "SAME_UPPER" else [*larger, *smaller]
    return {"strides": strides, "pads": pads, "dilations": dilations}


def _pool_indices(context: Context, node: NodeProto) -> NDArray[np.int64]:
    """Compute the indices of the windows of a pooling node."""
    given, shape = attribute_values(node), context.samples[node.input[0]][2:]
    if node.op_type.startswith("Global"):
        return np.arange(prod(shape)).reshape(*[1] * len(shape), -1)
    kernel = given["kernel_shape"]
    return window_indices(
        shape, kernel, **_geometry(node, shape, kernel), ceil=bool(given.get("ceil_mode", 0))
    )


def _convolution(
    weight: Array,
    bias: Array | None,
    *,
    group: int,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
) -> Function:
    """Convolve by one matrix product per element of the kernel.

    Args:
        weight: [O, C/group, *kernel].
        bias: [O], or None.
        group: Number of groups.
        strides: See `window_indices`.
        pads: See `window_indices`.
        dilations: See `window_indices`.
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
        for element in product(*map(range, kernel)):
            covered = tuple(
                slice(at * d, at * d + (size - 1) * s + 1, s)
                for at, d, s, size in zip(element, dilations, strides, sizes, strict=True)
            )
            patch = x[(slice(None), slice(None), *covered)].reshape(count, group, channels, -1)
            of_element: Any = (..., *element)
            matrix = matrices[of_element]
            # With one channel per group, numpy multiplies numbers faster than matrices.
            total += matrix[..., 0, np.newaxis] * patch if channels == 1 else matrix @ patch
        if bias is not None:
            total += bias.reshape(group, -1, 1)
        return total.reshape(*points.shape[:2], outputs, *sizes)

    return apply


def _mean_of_windows(indices: NDArray[np.int64], *, count_padding: bool) -> Function:
    """Average over windows.

    Args:
        indices: As from `window_indices`, [*output, E].
        count_padding: True if padding counts as zeros.
    """
    inside = indices >= 0
    counts = np.full(indices.shape[:-1], indices.shape[-1]) if count_padding else inside.sum(axis=-1)

    def apply(points: Array) -> Array:
        leading, spatial = points.shape[:3], prod(points.shape[3:])
        flat = points.reshape(*leading, spatial)
        total = np.zeros((*leading, *counts.shape))
        for element in range(indices.shape[-1]):
            total += np.where(inside[..., element], flat[..., indices[..., element]], 0)
        result: Array = total / counts
        return result

    return apply
