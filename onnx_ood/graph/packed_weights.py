"""Weights of onnxruntime's MatMulNBits: a few bits each, quantized in blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from onnx_ood._types import Array, Float

_WHOLE_BYTES = 8


def unpack_blocks(
    packed: Array, scales: Array, zero_points: Array | None, attributes: Mapping[str, Any]
) -> Float | None:
    """Dequantize the weights of a MatMulNBits node.

    Source: onnxruntime, docs/ContribOperators.md, "com.microsoft.MatMulNBits".

    Args:
        packed: Weights, uint8 [C, blocks, bytes].
        scales: Scale of each block, C·blocks numbers.
        zero_points: Zero point of each block, packed like the weights or C·blocks floats; None for the middle of the
            range.
        attributes: Attributes of the node: K, N, bits, block_size.

    Returns:
        Weights, float64 [C, D]; None for another width than 4 or 8 bits.
    """
    bits = attributes.get("bits", 4)
    rows, columns, block = (attributes.get(name, 0) for name in ("N", "K", "block_size"))
    if bits not in {4, _WHOLE_BYTES} or min(rows, columns, block) < 1:
        return None
    blocks = -(-columns // block)
    if packed.size * (_WHOLE_BYTES // bits) != rows * blocks * block or scales.size != rows * blocks:
        return None
    values = _unpacked(packed.reshape(rows, -1), bits).reshape(rows, blocks, block)
    zeros = np.full((rows, blocks), float(2 ** (bits - 1)))
    if zero_points is not None:
        if zero_points.dtype == np.uint8:
            zero_points = _unpacked(zero_points.reshape(rows, -1), bits)[:, :blocks]
        zeros = np.asarray(zero_points, np.float64).reshape(rows, blocks)
    units = np.asarray(scales, np.float64).reshape(rows, blocks, 1)
    weight: Float = ((values - zeros[..., np.newaxis]) * units).reshape(rows, -1)[:, :columns]
    return weight


def _unpacked(packed: Array, bits: int) -> Float:
    """Split bytes into numbers, the low bits first."""
    if bits == _WHOLE_BYTES:
        return packed.astype(np.float64)
    return np.stack([packed & 15, packed >> 4], axis=-1).reshape(len(packed), -1).astype(np.float64)
