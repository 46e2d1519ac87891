"""Operators that keep or rearrange elements."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto

from onnx_ood._types import Array
from onnx_ood.graph import attribute_values
from onnx_ood.piecewise.operators.registry import Context, UnsupportedError, operator
from onnx_ood.piecewise.steps import Affine, Function, Step

_FLOAT_TYPES = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16})


@operator("Cast", "Dropout", "Identity")
def identity(_: Context, node: NodeProto) -> list[Step]:
    """Read an Identity, a Dropout at inference, or a cast between floating-point types."""
    if node.op_type == "Cast" and attribute_values(node)["to"] not in _FLOAT_TYPES:
        raise UnsupportedError("it rounds to a type that is not floating-point")
    return [Affine((node.input[0],), node.output[0], lambda x: x)]


@operator("Concat")
def concat(context: Context, node: NodeProto) -> list[Step]:
    """Read a Concat."""
    # The same tensor may be concatenated with itself.
    names = tuple(dict.fromkeys(context.varying(node)))
    rank = len(context.samples[names[0]])
    axis = 1 + attribute_values(node)["axis"] % rank

    def apply(*points: Array) -> Array:
        given = dict(zip(names, points, strict=True))
        parts = []
        for name in node.input:
            if name in given:
                parts.append(given[name])
            else:
                constant = context.constants[name].astype(np.float64)
                parts.append(np.broadcast_to(constant, (len(points[0]), *constant.shape)))
        return np.concatenate(parts, axis=axis)

    return [Affine(names, node.output[0], apply)]


@operator(
    "DepthToSpace",
    "Expand",
    "Flatten",
    "Gather",
    "Pad",
    "Reshape",
    "Resize",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
    "Upsample",
)
def rearranged(context: Context, node: NodeProto) -> list[Step]:
    """Read an operator that rearranges elements: applied to indices, it shows where each element comes from."""
    names = context.varying(node)
    if names != (node.input[0],):
        raise UnsupportedError("the order of its elements depends on the model's input")
    sample = context.samples[names[0]]
    values = dict(context.constants)
    # From 1, so that 0 can mark filled elements.
    values[names[0]] = np.arange(1, prod(sample) + 1, dtype=np.float64).reshape(sample)
    fill = 0.0
    copy = NodeProto()
    copy.CopyFrom(node)
    if node.op_type == "Pad":
        stored = context.number(node, 2)
        fill = float(attribute_values(node).get("value", 0.0) if stored is None else stored.reshape(()))
        kept = [attribute for attribute in node.attribute if attribute.name != "value"]
        del copy.attribute[:]
        copy.attribute.extend(kept)
        if stored is not None:
            values[node.input[2]] = np.zeros((), np.float64)
    mode = attribute_values(node).get("mode", b"nearest")
    if node.op_type in {"Resize", "Upsample"} and mode != b"nearest":
        raise UnsupportedError("it interpolates")
    found = context.evaluate(copy, values)
    return [
        Affine(names, output, _gather(positions.astype(np.int64) - 1, fill))
        for output, positions in zip((name for name in node.output if name), found, strict=True)
    ]


def _gather(indices: NDArray[np.int64], fill: float) -> Function:
    """Take elements of flattened samples; −1 stands for `fill`."""
    outside = indices < 0

    def apply(points: Array) -> Array:
        taken: Array = points.reshape(len(points), -1)[:, indices]
        return np.where(outside, fill, taken) if outside.any() else taken

    return apply
