"""Pair statistics on the host: one pass over the activations of both runs.

Terms of the clean activations alone are computed once for all copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.runtime.kernels import pair_sums as kernels


class PairStatistics(NamedTuple):
    """Pair statistics of R pairs at one probe, one value per pair; `tabulate` adds axes.

    Attributes:
        aa: ‖a‖², float64 [R].
        ad: ⟨a, b − a⟩, float64 [R].
        dd: ‖b − a‖², float64 [R].
        flips: #{i : [aᵢ > 0] ≠ [bᵢ > 0]}, int64 [R]; −1 if a and b differ in size, so that they are not comparable.
        active: #{i : aᵢ > 0}, int64 [R].
    """

    aa: Float
    ad: Float
    dd: Float
    flips: NDArray[np.int64]
    active: NDArray[np.int64]


class CleanActivations(NamedTuple):
    """Activations of clean inputs at one probe, ready to be compared with any number of nudged copies.

    Attributes:
        values: [R, U], float64 or float32; float16 is widened.
        aa: ‖a‖², float64 [R].
        active: Number of active units, int64 [R].
    """

    values: NDArray[Any]
    aa: Float
    active: NDArray[np.int64]


def prepare_clean(clean: NDArray[Any]) -> CleanActivations:
    """Compute the terms of the clean activations alone.

    Args:
        clean: Activations [R, ...], any floating dtype.

    Returns:
        The first argument of `pair_statistics`.
    """
    values = flatten(clean)
    return CleanActivations(values, *kernels.clean_sums(values))


def pair_statistics(clean: CleanActivations, nudged: NDArray[Any]) -> PairStatistics:
    """Reduce pairs of activations to their pair statistics.

    Differences and sums are float64, so that small drops are not lost.

    Args:
        clean: Activations of the clean inputs.
        nudged: Activations of their nudged copies, [R, ...], in the dtype of the clean ones.

    Returns:
        The statistics of each pair. A NaN or infinite activation makes `aa`, `ad` or `dd` of its pair non-finite. If
        sizes differ, `ad` and `dd` are NaN and `flips` is −1.

    >>> pair = pair_statistics(prepare_clean(np.array([[3.0, -4.0]])), np.array([[2.0, 1.0]]))
    >>> [field.item() for field in pair]
    [25.0, -23.0, 26.0, 1, 1]
    """
    values = flatten(nudged)
    if values.shape != clean.values.shape:
        unknown = np.full(len(clean.aa), np.nan)
        return PairStatistics(clean.aa, unknown, unknown, np.full(len(clean.aa), -1), clean.active)
    return PairStatistics(clean.aa, *kernels.pair_sums(clean.values, values), clean.active)


def tabulate(columns: Sequence[Sequence[PairStatistics]]) -> PairStatistics:
    """Join the statistics of copies and probes.

    Args:
        columns: For each of K copies the statistics [R] at each of P probes.

    Returns:
        The same numbers, [R, K, P] each.
    """
    fields = (np.array([[cell[i] for cell in column] for column in columns]) for i in range(5))
    return PairStatistics(*(np.moveaxis(field, -1, 0) for field in fields))


def flatten(activations: NDArray[Any]) -> NDArray[Any]:
    """Convert activations to the form that the kernels reduce.

    Args:
        activations: [R, ...], any floating dtype.

    Returns:
        [R, U], float64 or float32, contiguous; float16 is widened.
    """
    flat = activations.reshape(len(activations), -1)
    wide = flat.dtype in {np.dtype(np.float32), np.dtype(np.float64)}
    return np.ascontiguousarray(flat, dtype=None if wide else np.float32)
