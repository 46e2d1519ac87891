"""Operators that onnx's reference evaluator (1.23) does not compute as the standard defines them, or not at all."""

from __future__ import annotations

import numpy as np
from onnx.reference.op_run import OpRun


class BatchNormalization(OpRun):
    """The reference takes versions before 14 for training whenever `momentum` has its default value."""

    op_domain = ""

    def _run(self, x, scale, bias, mean, var, epsilon=1e-5, training_mode=0, **_):
        assert not training_mode
        scale, bias, mean, var = (
            v.astype(np.float64).reshape(-1, *[1] * (x.ndim - 2)) for v in (scale, bias, mean, var)
        )
        return ((scale * (x - mean) / np.sqrt(var + epsilon) + bias).astype(x.dtype),)


class GlobalMaxPool(OpRun):
    """The reference takes the maximum over the wrong axes where there are not two in space."""

    op_domain = ""

    def _run(self, x):
        return (x.max(axis=tuple(range(2, x.ndim)), keepdims=True),)


class DequantizeLinear(OpRun):
    """The reference knows versions from 19 on."""

    op_domain = ""

    def _run(self, x, scale, zero=None, axis=1, **_):
        steps = x.astype(np.float64) - (0 if zero is None else _along(zero, x, axis).astype(np.float64))
        return ((steps * _along(scale, x, axis)).astype(scale.dtype),)


class QuantizeLinear(OpRun):
    """The reference knows versions from 19 on."""

    op_domain = ""

    def _run(self, x, scale, zero, axis=1, **_):
        limits = np.iinfo(zero.dtype)
        steps = np.rint(x / _along(scale, x, axis)) + _along(zero, x, axis)
        return (np.clip(steps, limits.min, limits.max).astype(zero.dtype),)


def _along(values: np.ndarray, x: np.ndarray, axis: int) -> np.ndarray:
    """One value for all, or one for each slice along an axis."""
    return values if values.size == 1 else values.reshape([-1 if i == axis else 1 for i in range(x.ndim)])


CORRECTED = (BatchNormalization, DequantizeLinear, GlobalMaxPool, QuantizeLinear)
