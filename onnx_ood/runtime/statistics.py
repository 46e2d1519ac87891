"""The host's way to pair statistics: one pass over the activations of both runs.

What depends on the clean activations alone is computed once for all copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from onnx_ood.runtime.kernels import pair_sums as kernels


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


class CleanRows(NamedTuple):
    """Activations of clean inputs at one probe, ready to be compared with any number of nudged copies.

    Attributes:
        values: [R, U], float64 or float32; float16 is widened.
        aa: ‖a‖², float64 [R].
        active: Number of units that are on, int64 [R].
    """

    values: NDArray[Any]
    aa: NDArray[np.float64]
    active: NDArray[np.int64]


def clean_rows(clean: NDArray[Any]) -> CleanRows:
    """Computes what depends on the clean activations alone.

    Args:
        clean: Activations [R, ...], any floating dtype.

    Returns:
        What `pair_statistics` takes.
    """
    values = as_rows(clean)
    return CleanRows(values, *kernels.clean_sums(values))


def pair_statistics(clean: CleanRows, nudged: NDArray[Any]) -> RowStatistics:
    """Reduces pairs of activations to their pair statistics.

    Small drops are not lost: differences and sums are float64.

    Args:
        clean: Activations of the clean inputs.
        nudged: Activations of their nudged copies, [R, ...], in the dtype of the clean ones.

    Returns:
        The statistics of each row. A NaN or infinite activation makes `aa`, `ad` or `dd` of its row not finite.
    """
    return RowStatistics(clean.aa, *kernels.pair_sums(clean.values, as_rows(nudged)), clean.active)


def tabulate(columns: Sequence[Sequence[RowStatistics]]) -> RowStatistics:
    """Sets statistics side by side.

    Args:
        columns: For each of K copies the statistics [R] at each of P probes.

    Returns:
        The same numbers, [R, K, P] each.
    """
    fields = (np.array([[cell[i] for cell in column] for column in columns]) for i in range(5))
    return RowStatistics(*(np.moveaxis(field, -1, 0) for field in fields))


def as_rows(activations: NDArray[Any]) -> NDArray[Any]:
    """Brings activations into the form in which they are reduced.

    Args:
        activations: [R, ...], any floating dtype.

    Returns:
        [R, U], float64 or float32, contiguous; float16 is widened.
    """
    rows = activations.reshape(len(activations), -1)
    wide = rows.dtype in {np.dtype(np.float32), np.dtype(np.float64)}
    return np.ascontiguousarray(rows, dtype=None if wide else np.float32)
