"""Batch independence: whether an input gives the same values in whatever company it is run.

A tensor is split into one sample per input along its first axis, or along another axis where that fails: sequence
models put time first, and outputs of a loop body have the iterations first. Neither works for models that mix inputs
(statistics over the batch, the batch read as time), or that return one row per object found.
"""

from __future__ import annotations

import numpy as np

from onnx_ood import metrics
from onnx_ood._types import Array
from onnx_ood.runtime.statistics import pair_statistics, prepare_clean

# Relative difference, in squared norm, that is still rounding: kernels may round differently for another batch size.
# Models that mix inputs exceed this by far.
_MAX_ROUNDING = 1e-4


class BatchDependenceError(Exception):
    """A tensor turned out not to have equal samples for the inputs of a run. Handled inside this package.

    Attributes:
        name: The tensor.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def companion(batch: Array) -> Array:
    """Make an input to run together with the first one, from which it is sure to differ.

    Args:
        batch: Inputs [N, *input].

    Returns:
        [*input]: half the last input, mirrored, plus uniform noise. Values stay between half the smallest and the
        largest of the batch, where the model expects them, and a constant input gets a companion that isn't constant.
    """
    last = np.flip(batch[-1])
    reach = max(float(np.max(np.abs(x), initial=0, where=np.isfinite(x))) for x in (batch[0], last))
    noise = np.random.default_rng(0).uniform(0, (reach or 1.0) / 2, last.shape)
    result: Array = (last / 2 + noise).astype(batch.dtype)
    return result


def sample(array: Array, batch_size: int, index: int, axis: int = 0) -> Array | None:
    """Take one input's sample out of a tensor.

    Args:
        array: The tensor of a run.
        batch_size: Number of inputs in that run.
        index: Which of them; negative numbers count from the last.
        axis: The axis along which inputs lie.

    Returns:
        An equal part of the axis; all of the tensor if the input was alone; None if the axis can't be divided so.

    >>> sample(np.arange(6), batch_size=3, index=1)
    array([2, 3])
    """
    if batch_size == 1:
        return array
    if axis >= array.ndim or array.shape[axis] == 0 or array.shape[axis] % batch_size:
        return None
    size = array.shape[axis] // batch_size
    parts = array.reshape(*array.shape[:axis], batch_size, size, *array.shape[axis + 1 :])
    part: Array = np.take(parts, index, axis=axis)
    return part


def equal_but_for_rounding(one: Array | None, other: Array | None) -> bool:
    """Return whether two samples are equal up to rounding, NaN and infinity in the same places."""
    if one is None or other is None or one.shape != other.shape or one.dtype != other.dtype:
        return False
    if not np.issubdtype(one.dtype, np.number):
        return np.array_equal(one, other)
    finite = np.isfinite(one)
    if not np.array_equal(finite, np.isfinite(other)):
        return False
    a, b = one[finite].astype(np.float64), other[finite].astype(np.float64)
    stats = pair_statistics(prepare_clean(a[np.newaxis]), b[np.newaxis])
    drop = metrics.cosine_drop(stats.aa, stats.ad, stats.dd)[0]
    return bool(drop <= _MAX_ROUNDING and stats.dd[0] <= _MAX_ROUNDING * stats.aa[0])
