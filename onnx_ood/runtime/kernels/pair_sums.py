"""Compiled reductions of pairs of activations: one pass, bound by memory, without Python's lock.

In numpy it would take five passes over cached pieces, and threads would wait for each other's lock. Sums are float64,
in which products of two float32 numbers are exact.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What the compiler may assume, so that it can sum up in several lanes: nothing about NaN and infinity.
_FAST_MATH = {"contract", "nsz", "reassoc"}


def clean_sums(a: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Reduce clean activations.

    Args:
        a: Activations [R, U], float32 or float64, contiguous.

    Returns:
        ‖a‖², float64 [R], and #{i : aᵢ > 0}, int64 [R].
    """
    sums: tuple[NDArray[np.float64], NDArray[np.int64]] = compiled(_clean_sums)(a)
    return sums


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
    sums: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]] = compiled(_pair_sums)(a, b)
    return sums


@cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a loop, once per type of arguments, with a cache on disk if possible.

    Args:
        function: A module-level function that numba can compile.
    """
    # The import takes a third of a second, which only measuring should cost.
    import numba  # noqa: PLC0415

    try:
        made = numba.njit(cache=True, nogil=True, fastmath=_FAST_MATH)(function)
    except RuntimeError:
        # Neither the package's folder nor the user's can be written to.
        return numba.njit(nogil=True, fastmath=_FAST_MATH)(function)

    def call(*arguments: Any) -> Any:
        try:
            return made(*arguments)
        except OSError:
            # Compiled, but not stored, as on a full disk. It is not compiled again.
            return made(*arguments)

    return call


def _clean_sums(a):  # type: ignore[no-untyped-def]
    squares = np.empty(a.shape[0], np.float64)
    active = np.empty(a.shape[0], np.int64)
    for row in range(a.shape[0]):
        values = a[row]
        aa, on = 0.0, 0
        for i in range(values.size):
            x = np.float64(values[i])
            aa += x * x
            on += values[i] > 0
        squares[row], active[row] = aa, on
    return squares, active


def _pair_sums(a, b):  # type: ignore[no-untyped-def]
    ads, dds = np.empty(a.shape[0], np.float64), np.empty(a.shape[0], np.float64)
    flips = np.empty(a.shape[0], np.int64)
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
    return ads, dds, flips
