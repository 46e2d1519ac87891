"""Compiled packing and comparison of activation patterns.

A pattern has one bit per unit and threshold, set if the unit is above the threshold. Bits of one threshold are
contiguous, and padding is zero, so that patterns can be compared eight bytes at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_ood.runtime.kernels.compiler import compiled

_WORD = 8


def packed_bytes(units: int, thresholds: int) -> int:
    """Count the bytes of a site's pattern."""
    return thresholds * -(-units // (8 * _WORD)) * _WORD


def pack(values: NDArray[Any], above: NDArray[Any], rows: NDArray[np.int64], out: NDArray[np.uint8]) -> int:
    """Pack the patterns of some points.

    Args:
        values: Activations or pre-activations [R, U], float32 or float64, contiguous.
        above: The thresholds [T], of the same dtype.
        rows: The rows of `out` to write, [R].
        out: Patterns [M, packed_bytes(U, T)], zeros in these rows.

    Returns:
        The number of values that are NaN and have no pattern.
    """
    undefined = np.zeros(1, np.int64)
    compiled(_pack)(values, above, rows, out, undefined)
    return int(undefined[0])


def differing_bits(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Compute Hamming distances of patterns.

    Args:
        a: Patterns [M, B] as `pack` writes them.
        b: The patterns to compare with, as `a`.

    Returns:
        The number of bits in which corresponding rows differ, [M].
    """
    counts = np.empty(len(a), np.int64)
    compiled(_differing_bits)(a.view(np.uint64), b.view(np.uint64), counts)
    return counts


def channel_places(indices: NDArray[Any], plane: int) -> NDArray[np.int32]:
    """Convert indices of largest elements to a form that doesn't depend on the position in a run.

    Args:
        indices: Indices into the whole tensor, int64, any shape.
        plane: Number of elements of one channel.

    Returns:
        Indices into the channel, of the same shape.
    """
    places = np.empty(indices.shape, np.int32)
    compiled(_channel_places)(np.ascontiguousarray(indices).ravel(), plane, places.reshape(-1))
    return places


def _pack(values, above, rows, out, undefined):  # type: ignore[no-untyped-def]
    units = values.shape[1]
    whole, each = units // 8, out.shape[1] // above.size
    for row in range(values.shape[0]):
        x = values[row]
        for threshold in range(above.size):
            limit = above[threshold]
            to = out[rows[row], threshold * each : (threshold + 1) * each]
            for i in range(whole):
                byte = np.uint8(0)
                for bit in range(8):
                    byte |= np.uint8(x[8 * i + bit] > limit) << np.uint8(bit)
                to[i] = byte
            for i in range(8 * whole, units):
                to[whole] |= np.uint8(x[i] > limit) << np.uint8(i - 8 * whole)
        for i in range(units):
            undefined[0] += x[i] != x[i]


def _differing_bits(a, b, counts):  # type: ignore[no-untyped-def]
    for row in range(a.shape[0]):
        left, right, total = a[row], b[row], np.uint64(0)
        for i in range(left.size):
            # Sums of two, four, eight adjacent bits, then of the eight bytes ("Hacker's Delight", 5-1).
            x = left[i] ^ right[i]
            x -= (x >> np.uint64(1)) & np.uint64(0x5555555555555555)
            x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
            x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
            total += (x * np.uint64(0x0101010101010101)) >> np.uint64(56)
        counts[row] = np.int64(total)


def _channel_places(indices, plane, places):  # type: ignore[no-untyped-def]
    for i in range(indices.size):
        places[i] = indices[i] % plane
