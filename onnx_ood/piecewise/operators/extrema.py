"""Largest and smallest values: of several tensors, and along axes."""

from __future__ import annotations

from math import prod

import numpy as np
from onnx import NodeProto

from onnx_ood._types import Array
from onnx_ood.piecewise.operators.registry import Context, expand_constant, expand_points, operator
from onnx_ood.piecewise.steps import Maximum, Step


@operator("Max", "Min", units=True)
def extreme_of_tensors(context: Context, node: NodeProto) -> list[Step]:
    """Read a Max or Min."""
    sign = 1 if node.op_type == "Max" else -1
    names = context.varying(node)
    sample = np.broadcast_shapes(*context.shapes(node))

    def candidates(*points: Array) -> Array:
        given = dict(zip(names, points, strict=True))
        each = [
            expand_points(given[name], len(sample))
            if name in given
            else expand_constant(context.constants[name].astype(np.float64), len(sample))
            for name in node.input
        ]
        whole = [np.broadcast_to(value, (len(points[0]), *sample)) for value in each]
        stacked: Array = sign * np.stack(whole, axis=-1)
        return stacked.reshape(len(points[0]), -1, len(whole))

    def finish(largest: Array) -> Array:
        return (sign * largest).reshape(len(largest), *sample)

    return [Maximum(names, node.output[0], candidates, finish)]


@operator("ReduceMax", "ReduceMin", units=True)
def extreme_along_axes(context: Context, node: NodeProto) -> list[Step]:
    """Read a ReduceMax or ReduceMin."""
    (name,) = context.varying(node)
    sign = 1 if node.op_type == "ReduceMax" else -1
    sample = context.samples[name]
    axes = sorted(axis % len(sample) for axis in (context.axes(node) or range(len(sample))))
    kept = [axis for axis in range(len(sample)) if axis not in axes]
    (reduced,) = context.evaluate(node, {**context.constants, name: np.zeros(sample)})

    def candidates(points: Array) -> Array:
        order = [0, *(1 + axis for axis in kept), *(1 + axis for axis in axes)]
        each: Array = sign * points.transpose(order)
        return each.reshape(len(points), -1, prod(sample[axis] for axis in axes))

    def finish(largest: Array) -> Array:
        return (sign * largest).reshape(len(largest), *reduced.shape)

    return [Maximum((name,), node.output[0], candidates, finish)]
