"""Compiled reductions of pairs of activations: one pass, bound by memory, without Python's lock.

In numpy it would take five passes over cached pieces, and threads would wait for each other's lock. Sums are float64,
in which products of two float32 numbers are exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_ood.runtime.kernels.compiler import compiled


def clean_sums(a: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Reduce clean activations.

    Args:
        a: Activations [R, U], float32 or float64, contiguous.

    Returns:
        ‖a‖², float64 [R], and #{i : aᵢ > 0}, int64 [R].
    """
    squares, active = np.empty(len(a)), np.empty(len(a), np.int64)
    compiled(_clean_sums)(a, squares, active)
    return squares, active


def pair_sums(
    a: NDArray[Any], b: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Reduce R pairs of activations.

    Args:
        a: Clean activations [R, U], float32 or float64, contiguous.
        b: Nudged activations, as `a`.

    Returns:
        ⟨a, b − a⟩ and ‖b − a‖², float64 [R], and #{i : [aᵢ > 0] ≠ [bᵢ > 0]}, int64 [R].
    """
    products, distances, flips = np.empty(len(a)), np.empty(len(a)), np.empty(len(a), np.int64)
    compiled(_pair_sums)(a, b, products, distances, flips)
    return products, distances, flips


def _clean_sums(a, squares, active):  # type: ignore[no-untyped-def]
    for row in range(a.shape[0]):
        values = a[row]
        aa, on = 0.0, 0
        for i in range(values.size):
            x = np.float64(values[i])
            aa += x * x
            on += values[i] > 0
        squares[row], active[row] = aa, on


def _pair_sums(a, b, ads, dds, flips):  # type: ignore[no-untyped-def]
    for row in range(a.shape[0]):
        clean, nudged = a[row], b[row]
        ad, dd, flipped = 0.0, 0.0, 0
        for i in range(clean.size):
            x = np.float64(clean[i])
            d = np.float64(nudged[i]) - x
            ad += x * d
            dd += d * d
            flipped += (clean[i] > 0) != (nudged[i] > 0)
        ads[row], dds[row], flips[row] = ad, dd, flipped
