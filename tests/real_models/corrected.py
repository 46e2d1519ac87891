"""Operators that onnx's reference evaluator (1.23) does not compute as the standard defines them."""

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


CORRECTED = (BatchNormalization, GlobalMaxPool)
