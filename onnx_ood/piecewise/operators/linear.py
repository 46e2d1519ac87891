"""Affine operators: sums, products with constants, matrix products, means and normalization."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import NodeProto

from onnx_ood._types import Array
from onnx_ood.graph import attribute_values
from onnx_ood.piecewise.operators.registry import (
    Context,
    UnsupportedError,
    expand_constant,
    expand_points,
    operator,
)
from onnx_ood.piecewise.steps import Affine, Step


@operator("Add", "Mean", "Sub", "Sum")
def sum_of_tensors(context: Context, node: NodeProto) -> list[Step]:
    """Read an Add, Sub, Sum or Mean."""
    signs = [1, -1] if node.op_type == "Sub" else [1] * len(node.input)
    divisor = len(node.input) if node.op_type == "Mean" else 1
    rank = max(map(len, context.shapes(node)))
    constant: Any = sum(
        sign * expand_constant(context.constants[name].astype(np.float64), rank)
        for sign, name in zip(signs, node.input, strict=True)
        if name in context.constants
    )
    signs = [sign for sign, name in zip(signs, node.input, strict=True) if name in context.samples]

    def apply(*points: Array) -> Array:
        total: Array = constant + sum(
            sign * expand_points(x, rank) for sign, x in zip(signs, points, strict=True)
        )
        return total / divisor if divisor > 1 else total

    return [Affine(context.varying(node), node.output[0], apply)]


@operator("Div", "Mul")
def scaled(context: Context, node: NodeProto) -> list[Step]:
    """Read a Mul or Div by a constant."""
    names = context.varying(node)
    if len(names) != 1 or (node.op_type == "Div" and names[0] != node.input[0]):
        raise UnsupportedError("it multiplies or divides by a tensor that depends on the model's input")
    other = node.input[1] if names[0] == node.input[0] else node.input[0]
    constant = context.constants[other].astype(np.float64)
    rank = max(len(context.samples[names[0]]), constant.ndim)
    factor = expand_constant(constant if node.op_type == "Mul" else 1 / constant, rank)
    return [Affine(names, node.output[0], lambda x: expand_points(x, rank) * factor)]


@operator("Neg")
def negative(_: Context, node: NodeProto) -> list[Step]:
    """Read a Neg."""
    return [Affine((node.input[0],), node.output[0], np.negative)]


@operator("Gemm")
def gemm(context: Context, node: NodeProto) -> list[Step]:
    """Read a Gemm."""
    given, names = attribute_values(node), context.varying(node)
    if names != (node.input[0],):
        raise UnsupportedError("its weights depend on the model's input")
    weight, bias = context.required(node, 1), context.number(node, 2)
    matrix = given.get("alpha", 1.0) * (weight.T if given.get("transB", 0) else weight)
    added = 0.0 if bias is None else expand_constant(given.get("beta", 1.0) * bias, 2)

    def apply(points: Array) -> Array:
        left = points.swapaxes(1, 2) if given.get("transA", 0) else points
        product: Array = left.reshape(-1, left.shape[-1]) @ matrix
        return product.reshape(*left.shape[:-1], -1) + added

    return [Affine(names, node.output[0], apply)]


@operator("MatMul")
def matmul(context: Context, node: NodeProto) -> list[Step]:
    """Read a MatMul with a constant matrix."""
    names = context.varying(node)
    if len(names) != 1:
        raise UnsupportedError("it multiplies two tensors that depend on the model's input")
    left = names[0] == node.input[0]
    constant = context.constants[node.input[1] if left else node.input[0]].astype(np.float64)
    if constant.ndim < 2 or len(context.samples[names[0]]) < 2:
        raise UnsupportedError("it multiplies by a vector")
    rank = max(len(context.samples[names[0]]), constant.ndim)
    matrix = expand_constant(constant, rank)

    def apply(points: Array) -> Array:
        x = expand_points(points, rank)
        product: Array = x @ matrix if left else matrix @ x
        return product

    return [Affine(names, node.output[0], apply)]


@operator("BatchNormalization")
def batch_normalization(context: Context, node: NodeProto) -> list[Step]:
    """Read a BatchNormalization with running statistics."""
    given = attribute_values(node)
    if given.get("training_mode", 0):
        raise UnsupportedError("it normalizes by the statistics of the batch")
    scale, bias, mean, variance = (context.required(node, position) for position in range(1, 5))
    factor = scale / np.sqrt(variance + given.get("epsilon", 1e-5))
    shape = (1, -1, *[1] * (len(context.samples[node.input[0]]) - 2))
    a, b = factor.reshape(shape), (bias - factor * mean).reshape(shape)
    return [Affine((node.input[0],), node.output[0], lambda x: a * x + b)]


@operator("ReduceMean", "ReduceSum")
def reduction(context: Context, node: NodeProto) -> list[Step]:
    """Read a ReduceMean or ReduceSum."""
    (name,) = context.varying(node)
    sample, given = context.samples[name], attribute_values(node)
    axes = context.axes(node)
    if not axes and given.get("noop_with_empty_axes", 0):
        return [Affine((name,), node.output[0], lambda x: x)]
    over = tuple(1 + axis % len(sample) for axis in (axes or range(len(sample))))
    keep = bool(given.get("keepdims", 1))
    reduce = np.mean if node.op_type == "ReduceMean" else np.sum
    return [Affine((name,), node.output[0], lambda x: reduce(x, axis=over, keepdims=keep))]
