"""The host's way to pair statistics: one blocked pass over the activations of both runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Elements of one tile: its float64 copies, 128 KiB each, stay in a core's second-level cache.
_TILE = 16_384


class RowStatistics(NamedTuple):
    """Pair statistics of R pairs at one probe, one value a pair; `tabulate` adds axes behind.

    Attributes:
        aa: ‖a‖², float64 [R].
        ad: ⟨a, b − a⟩, float64 [R].
        dd: ‖b − a‖², float64 [R].
        flips: #{i : [aᵢ > 0] ≠ [bᵢ > 0]}, int64 [R].
        active: #{i : aᵢ > 0}, int64 [R].
    """

    aa: NDArray[np.float64]
    ad: NDArray[np.float64]
    dd: NDArray[np.float64]
    flips: NDArray[np.int64]
    active: NDArray[np.int64]


def pair_statistics(clean: NDArray[Any], nudged: NDArray[Any]) -> RowStatistics:
    """Reduces pairs of activations to their pair statistics.

    Differences, products and sums are made in float64, in which the product of two float32 numbers is exact, so
    that small drops are not lost.

    Args:
        clean: Activations of the clean inputs, [R, ...], any floating dtype.
        nudged: Activations of their nudged copies, same shape.

    Returns:
        The statistics of each row. A NaN or infinite activation makes `aa`, `ad` or `dd` of its row not finite.
    """
    rows = len(clean)
    a, b = clean.reshape(rows, -1), nudged.reshape(rows, -1)
    size = a.shape[1]
    result = RowStatistics(
        np.zeros(rows), np.zeros(rows), np.zeros(rows), np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    )
    width = min(size, _TILE)
    height = max(1, _TILE // max(width, 1))
    # Overflow of a float64 sum and arithmetic on NaN are results to report, not warnings to print.
    with np.errstate(invalid="ignore", over="ignore"):
        for top in range(0, rows, height):
            block = slice(top, top + height)
            for left in range(0, size, _TILE):
                part_a, part_b = a[block, left : left + width], b[block, left : left + width]
                wide_a = part_a.astype(np.float64)
                diff = part_b.astype(np.float64)
                diff -= wide_a
                result.aa[block] += _row_dot(wide_a, wide_a)
                result.ad[block] += _row_dot(wide_a, diff)
                result.dd[block] += _row_dot(diff, diff)
                on = part_a > 0
                result.active[block] += np.count_nonzero(on, axis=1)
                result.flips[block] += np.count_nonzero(on != (part_b > 0), axis=1)
    return result


def tabulate(columns: Sequence[Sequence[RowStatistics]]) -> RowStatistics:
    """Sets statistics side by side.

    Args:
        columns: For each of K copies the statistics [R] at each of P probes.

    Returns:
        The same numbers, [R, K, P] each.
    """
    fields = (np.array([[cell[i] for cell in column] for column in columns]) for i in range(5))
    return RowStatistics(*(np.moveaxis(field, -1, 0) for field in fields))


def _row_dot(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    # Not a BLAS product: BLAS starts threads of its own for vectors this long, which fight with the
    # threads that already share this work out.
    products: NDArray[np.float64] = np.einsum("ij,ij->i", x, y)
    return products
