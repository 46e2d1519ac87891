"""Elementwise activation functions with thresholds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from onnx import NodeProto

from onnx_ood._types import Array
from onnx_ood.graph import attribute_values
from onnx_ood.piecewise.operators.registry import Context, UnsupportedError, expand_constant, operator
from onnx_ood.piecewise.steps import Elementwise, Step


@operator("Relu", units=True)
def relu(_: Context, node: NodeProto) -> list[Step]:
    """Read a Relu."""
    return _units(node, lambda z: np.maximum(z, 0), [0.0])


@operator("LeakyRelu", units=True)
def leaky_relu(_: Context, node: NodeProto) -> list[Step]:
    """Read a LeakyRelu."""
    slope = attribute_values(node).get("alpha", 0.01)
    return _units(node, lambda z: np.where(z > 0, z, slope * z), [0.0])


@operator("PRelu", units=True)
def prelu(context: Context, node: NodeProto) -> list[Step]:
    """Read a PRelu."""
    slope = expand_constant(context.required(node, 1), len(context.samples[node.input[0]]))
    return _units(node, lambda z: np.where(z > 0, z, slope * z), [0.0])


@operator("Abs", units=True)
def absolute(_: Context, node: NodeProto) -> list[Step]:
    """Read an Abs."""
    return _units(node, np.abs, [0.0])


@operator("Clip", units=True)
def clip(context: Context, node: NodeProto) -> list[Step]:
    """Read a Clip."""
    given = attribute_values(node)
    low, high = context.number(node, 1), context.number(node, 2)
    least = given.get("min", -np.inf) if low is None else float(low.reshape(()))
    most = given.get("max", np.inf) if high is None else float(high.reshape(()))
    # The lowest and highest number of a dtype mean no bound.
    bounds = [bound for bound in (least, most) if abs(bound) < np.finfo(np.float32).max]
    return _units(node, lambda z: np.clip(z, least, most), bounds)


@operator("HardSigmoid", units=True)
def hard_sigmoid(_: Context, node: NodeProto) -> list[Step]:
    """Read a HardSigmoid."""
    given = attribute_values(node)
    alpha, beta = given.get("alpha", 0.2), given.get("beta", 0.5)
    if not alpha:
        raise UnsupportedError("its alpha is 0")
    return _units(node, lambda z: np.clip(alpha * z + beta, 0, 1), [-beta / alpha, (1 - beta) / alpha])


def _units(node: NodeProto, apply: Callable[[Array], Array], thresholds: Sequence[float]) -> list[Step]:
    return [Elementwise((node.input[0],), node.output[0], apply, tuple(sorted(thresholds)))]
