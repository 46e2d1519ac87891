"""Whether the inputs of one run stay apart, found out by running them in different company.

A tensor is cut into one share for each input along its first axis, or along another where that fails: models of
sequences put time first, and what comes out of a loop's body has the iterations first. Neither works for models that
mix inputs (statistics over the batch, the batch taken for time), or that give as many rows as they find things.
"""

from __future__ import annotations

import numpy as np

from onnx_ood import metrics
from onnx_ood._types import Array
from onnx_ood.runtime.statistics import clean_rows, pair_statistics

# A share may differ from what the input gives in other company by as much as kernels that round otherwise for
# another shape make it. Models that mix inputs miss this by far.
_SAME = 1e-4


class BatchDependenceError(Exception):
    """A tensor turned out not to have equal shares for the inputs of a run. Handled inside this package.

    Attributes:
        name: The tensor.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def neighbour(batch: Array) -> Array:
    """Makes an input to run beside the first one that surely differs from it.

    Args:
        batch: Inputs [N, *input].

    Returns:
        [*input]: half the last input, mirrored, plus uniform noise, so that values stay between half the smallest and
        the largest of the batch, where the model expects them, and a blank input gets a neighbour that isn't blank.
    """
    last = np.flip(batch[-1])
    reach = max(float(np.max(np.abs(x), initial=0, where=np.isfinite(x))) for x in (batch[0], last))
    noise = np.random.default_rng(0).uniform(0, (reach or 1.0) / 2, last.shape)
    result: Array = (last / 2 + noise).astype(batch.dtype)
    return result


def share(array: Array, rows: int, at: int, axis: int = 0) -> Array | None:
    """One input's share of a tensor.

    Args:
        array: The tensor that a run gave.
        rows: Number of inputs in that run.
        at: Which of them is meant; negative numbers count from the last.
        axis: The axis along which inputs lie.

    Returns:
        An equal part of the axis; all of the tensor if the input was alone; None if the axis can't be cut like that.
    """
    if rows == 1:
        return array
    if axis >= array.ndim or array.shape[axis] == 0 or array.shape[axis] % rows:
        return None
    each = array.shape[axis] // rows
    parts = array.reshape(*array.shape[:axis], rows, each, *array.shape[axis + 1 :])
    part: Array = np.take(parts, at, axis=axis)
    return part


def same(one: Array | None, other: Array | None) -> bool:
    """True if two shares are equal up to rounding; NaN and infinity have to be in the same places."""
    if one is None or other is None or one.shape != other.shape or one.dtype != other.dtype:
        return False
    if not np.issubdtype(one.dtype, np.number):
        return np.array_equal(one, other)
    finite = np.isfinite(one)
    if not np.array_equal(finite, np.isfinite(other)):
        return False
    a, b = one[finite].astype(np.float64), other[finite].astype(np.float64)
    stats = pair_statistics(clean_rows(a[np.newaxis]), b[np.newaxis])
    drop = metrics.cosine_drop(stats.aa, stats.ad, stats.dd)[0]
    return bool(drop <= _SAME and stats.dd[0] <= _SAME * stats.aa[0])
