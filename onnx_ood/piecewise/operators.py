"""From ONNX nodes to steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper
from onnx.reference import ReferenceEvaluator

from onnx_ood._types import Array
from onnx_ood.piecewise import affine
from onnx_ood.piecewise.steps import Affine, Bends, Largest, Step


class UnsupportedError(Exception):
    """A node is not piecewise linear in what depends on the input, or not known here; says why."""


@dataclass
class Context:
    """What is known when a node is looked at.

    Attributes:
        constants: Values that don't depend on the input, by name.
        samples: Shapes of what does, for a batch of one.
        opsets: Version of each operator set.
    """

    constants: dict[str, Array]
    samples: dict[str, tuple[int, ...]]
    opsets: Mapping[str, int]

    def constant(self, node: NodeProto, place: int) -> Array | None:
        """A constant input of a node, None where it is left out.

        Raises:
            UnsupportedError: If it depends on the model's input.
        """
        if place >= len(node.input) or not node.input[place]:
            return None
        if node.input[place] not in self.constants:
            raise UnsupportedError(f"its input {node.input[place]!r} depends on the model's input")
        return self.constants[node.input[place]]

    def number(self, node: NodeProto, place: int) -> Array | None:
        """A constant input in float64."""
        value = self.constant(node, place)
        return None if value is None else value.astype(np.float64)

    def evaluate(self, node: NodeProto, values: Mapping[str, Array]) -> list[Array]:
        """What a node gives for values of its inputs, by onnx's reference."""
        names = [name for name in dict.fromkeys(node.input) if name]
        graph = helper.make_graph(
            [node],
            "one",
            [helper.make_value_info(name, helper.make_tensor_type_proto(0, None)) for name in names],
            [
                helper.make_value_info(name, helper.make_tensor_type_proto(0, None))
                for name in node.output
                if name
            ],
        )
        opsets = [helper.make_opsetid(domain, version) for domain, version in self.opsets.items()]
        model = helper.make_model(graph, opset_imports=opsets)
        found = ReferenceEvaluator(model).run(None, {name: values[name] for name in names})
        return list(map(np.asarray, found))

    def result(self, node: NodeProto, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Shapes of a node's outputs for one point, where every input that varies has been given zeros."""
        values = {**self.constants, **{name: np.zeros(self.samples[name]) for name in self.varying(node)}}
        return [np.shape(value) for value in self.evaluate(node, values)] or list(shapes)

    def varying(self, node: NodeProto) -> tuple[str, ...]:
        """Inputs of a node that depend on the model's input, in the order in which they stand."""
        return tuple(name for name in node.input if name in self.samples)


def attributes(node: NodeProto) -> dict[str, Any]:
    """The attributes of a node as Python values."""
    return {found.name: helper.get_attribute_value(found) for found in node.attribute}


def _spatial(node: NodeProto, shape: Sequence[int], kernel: Sequence[int]) -> dict[str, Any]:
    """Strides, pads and dilations of a node whose window slides over `shape`."""
    given, axes = attributes(node), len(kernel)
    strides = list(given.get("strides", [1] * axes))
    dilations = list(given.get("dilations", [1] * axes))
    pads = list(given.get("pads", [0] * 2 * axes))
    automatic = given.get("auto_pad", b"NOTSET").decode()
    if automatic in {"SAME_UPPER", "SAME_LOWER"}:
        total = [
            max(0, (-(-size // s) - 1) * s + (k - 1) * d + 1 - size)
            for size, s, k, d in zip(shape, strides, kernel, dilations, strict=True)
        ]
        less = [t // 2 for t in total]
        more = [t - half for t, half in zip(total, less, strict=True)]
        pads = [*less, *more] if automatic == "SAME_UPPER" else [*more, *less]
    return {"strides": strides, "pads": pads, "dilations": dilations}


def _conv(context: Context, node: NodeProto) -> Step:
    weight = context.number(node, 1)
    assert weight is not None
    if context.varying(node) != (node.input[0],):
        raise UnsupportedError("its weights depend on the model's input")
    apply = affine.convolution(
        weight,
        context.number(node, 2),
        group=attributes(node).get("group", 1),
        **_spatial(node, context.samples[node.input[0]][2:], weight.shape[2:]),
    )
    return Affine((node.input[0],), node.output[0], apply)


def _pooled(context: Context, node: NodeProto) -> NDArray[np.int64]:
    """The windows of a pooling node."""
    given, shape = attributes(node), context.samples[node.input[0]][2:]
    if node.op_type.startswith("Global"):
        return np.arange(prod(shape)).reshape(*[1] * len(shape), -1)
    kernel = given["kernel_shape"]
    spatial = _spatial(node, shape, kernel)
    return affine.windows(shape, kernel, **spatial, ceil=bool(given.get("ceil_mode", 0)))


def _average_pool(context: Context, node: NodeProto) -> Step:
    counted = bool(attributes(node).get("count_include_pad", 0))
    return Affine(
        (node.input[0],),
        node.output[0],
        affine.mean_of_windows(_pooled(context, node), count_padding=counted),
    )


def _max_pool(context: Context, node: NodeProto) -> Step:
    places = _pooled(context, node)
    channels = context.samples[node.input[0]][:2]
    outside = places < 0

    def candidates(points: Array) -> Array:
        seen = points.reshape(*points.shape[:3], -1)[..., places]
        return np.where(outside, -np.inf, seen).reshape(len(points), -1, places.shape[-1])

    def finish(largest: Array) -> Array:
        return largest.reshape(len(largest), *channels, *places.shape[:-1])

    return Largest((node.input[0],), node.output[0], candidates, finish)


def _extreme(context: Context, node: NodeProto) -> Step:
    """Max and Min of several tensors."""
    sign = 1 if node.op_type == "Max" else -1
    names = context.varying(node)
    shapes = [
        context.samples[name] if name in context.samples else np.shape(context.constants[name])
        for name in node.input
    ]
    sample = np.broadcast_shapes(*shapes)

    def candidates(*points: Array) -> Array:
        given = dict(zip(names, points, strict=True))
        each = [
            affine.aligned(given[name], len(sample))
            if name in given
            else affine.lifted(context.constants[name].astype(np.float64), len(sample))
            for name in node.input
        ]
        whole = [np.broadcast_to(value, (len(points[0]), *sample)) for value in each]
        stacked: Array = sign * np.stack(whole, axis=-1)
        return stacked.reshape(len(points[0]), -1, len(whole))

    return Largest(
        names, node.output[0], candidates, lambda largest: (sign * largest).reshape(len(largest), *sample)
    )


def _reduce_max(context: Context, node: NodeProto) -> Step:
    (name,) = context.varying(node)
    sign = 1 if node.op_type == "ReduceMax" else -1
    sample = context.samples[name]
    given = attributes(node)
    axes = given.get("axes")
    if axes is None and len(node.input) > 1:
        stored = context.constant(node, 1)
        axes = None if stored is None else stored.tolist()
    axes = sorted(axis % len(sample) for axis in (axes or range(len(sample))))
    kept = [axis for axis in range(len(sample)) if axis not in axes]
    (after,) = context.result(node, [])

    def candidates(points: Array) -> Array:
        order = [0, *(1 + axis for axis in kept), *(1 + axis for axis in axes)]
        each: Array = sign * points.transpose(order)
        return each.reshape(len(points), -1, prod(sample[axis] for axis in axes))

    return Largest(
        (name,), node.output[0], candidates, lambda largest: (sign * largest).reshape(len(largest), *after)
    )


def _bends(node: NodeProto, apply: Callable[[Array], Array], thresholds: Sequence[float]) -> Step:
    return Bends((node.input[0],), node.output[0], apply, tuple(sorted(thresholds)))


def _relu(_: Context, node: NodeProto) -> Step:
    return _bends(node, lambda z: np.maximum(z, 0), [0.0])


def _leaky_relu(_: Context, node: NodeProto) -> Step:
    slope = attributes(node).get("alpha", 0.01)
    return _bends(node, lambda z: np.where(z > 0, z, slope * z), [0.0])


def _prelu(context: Context, node: NodeProto) -> Step:
    slope = context.number(node, 1)
    assert slope is not None
    lifted = affine.lifted(slope, len(context.samples[node.input[0]]))
    return _bends(node, lambda z: np.where(z > 0, z, lifted * z), [0.0])


def _abs(_: Context, node: NodeProto) -> Step:
    return _bends(node, np.abs, [0.0])


def _clip(context: Context, node: NodeProto) -> Step:
    given = attributes(node)
    low, high = context.number(node, 1), context.number(node, 2)
    least = given.get("min", -np.inf) if low is None else float(low.reshape(()))
    most = given.get("max", np.inf) if high is None else float(high.reshape(()))
    # The lowest and highest number of a type stand for no bound.
    bounds = [bound for bound in (least, most) if abs(bound) < np.finfo(np.float32).max]
    return _bends(node, lambda z: np.clip(z, least, most), bounds)


def _hard_sigmoid(_: Context, node: NodeProto) -> Step:
    given = attributes(node)
    alpha, beta = given.get("alpha", 0.2), given.get("beta", 0.5)
    if not alpha:
        raise UnsupportedError("its alpha is 0")
    return _bends(node, lambda z: np.clip(alpha * z + beta, 0, 1), [-beta / alpha, (1 - beta) / alpha])


def _batch_normalization(context: Context, node: NodeProto) -> Step:
    given = attributes(node)
    if given.get("training_mode", 0):
        raise UnsupportedError("it normalises by the batch")
    scale, bias, mean, variance = (context.number(node, place) for place in range(1, 5))
    assert scale is not None
    assert bias is not None
    assert mean is not None
    assert variance is not None
    factor = scale / np.sqrt(variance + given.get("epsilon", 1e-5))
    shape = (1, -1, *[1] * (len(context.samples[node.input[0]]) - 2))
    a, b = factor.reshape(shape), (bias - factor * mean).reshape(shape)
    return Affine((node.input[0],), node.output[0], lambda x: a * x + b)


def _sum(context: Context, node: NodeProto) -> Step:
    """Add, Sub, Sum and Mean."""
    names = context.varying(node)
    signs = [1, -1] if node.op_type == "Sub" else [1] * len(node.input)
    share = len(node.input) if node.op_type == "Mean" else 1
    shapes = [
        context.samples[name] if name in context.samples else np.shape(context.constants[name])
        for name in node.input
    ]
    rank = max(map(len, shapes))
    fixed: Any = sum(
        sign * affine.lifted(context.constants[name].astype(np.float64), rank)
        for sign, name in zip(signs, node.input, strict=True)
        if name in context.constants
    )
    signs = [sign for sign, name in zip(signs, node.input, strict=True) if name in context.samples]

    def apply(*points: Array) -> Array:
        total: Array = fixed + sum(
            sign * affine.aligned(x, rank) for sign, x in zip(signs, points, strict=True)
        )
        return total / share if share > 1 else total

    return Affine(names, node.output[0], apply)


def _scaled(context: Context, node: NodeProto) -> Step:
    """Mul and Div by a constant."""
    names = context.varying(node)
    if len(names) != 1 or (node.op_type == "Div" and names[0] != node.input[0]):
        raise UnsupportedError("it multiplies or divides by what depends on the model's input")
    other = node.input[1] if names[0] == node.input[0] else node.input[0]
    factor = context.constants[other].astype(np.float64)
    rank = max(len(context.samples[names[0]]), factor.ndim)
    by = affine.lifted(factor if node.op_type == "Mul" else 1 / factor, rank)
    return Affine(names, node.output[0], lambda x: affine.aligned(x, rank) * by)


def _negative(_: Context, node: NodeProto) -> Step:
    return Affine((node.input[0],), node.output[0], np.negative)


def _gemm(context: Context, node: NodeProto) -> Step:
    given, names = attributes(node), context.varying(node)
    if names != (node.input[0],):
        raise UnsupportedError("its weights depend on the model's input")
    weight, bias = context.number(node, 1), context.number(node, 2)
    assert weight is not None
    matrix = given.get("alpha", 1.0) * (weight.T if given.get("transB", 0) else weight)
    added = 0.0 if bias is None else affine.lifted(given.get("beta", 1.0) * bias, 2)

    def apply(points: Array) -> Array:
        left = points.swapaxes(1, 2) if given.get("transA", 0) else points
        product: Array = left.reshape(-1, left.shape[-1]) @ matrix
        return product.reshape(*left.shape[:-1], -1) + added

    return Affine(names, node.output[0], apply)


def _matmul(context: Context, node: NodeProto) -> Step:
    names = context.varying(node)
    if len(names) != 1:
        raise UnsupportedError("it multiplies two tensors that depend on the model's input")
    left = names[0] == node.input[0]
    other = context.constants[node.input[1] if left else node.input[0]].astype(np.float64)
    if other.ndim < 2 or len(context.samples[names[0]]) < 2:
        raise UnsupportedError("it multiplies by a vector")
    rank = max(len(context.samples[names[0]]), other.ndim)
    by = affine.lifted(other, rank)

    def apply(points: Array) -> Array:
        x = affine.aligned(points, rank)
        product: Array = x @ by if left else by @ x
        return product

    return Affine(names, node.output[0], apply)


def _concat(context: Context, node: NodeProto) -> Step:
    names = context.varying(node)
    rank = len(context.samples[names[0]])
    axis = 1 + attributes(node)["axis"] % rank

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

    return Affine(tuple(dict.fromkeys(names)), node.output[0], apply)


def _reduced(context: Context, node: NodeProto) -> Step:
    """ReduceMean and ReduceSum."""
    (name,) = context.varying(node)
    sample, given = context.samples[name], attributes(node)
    axes = given.get("axes")
    if axes is None and len(node.input) > 1:
        stored = context.constant(node, 1)
        axes = None if stored is None else stored.tolist()
    if not axes and given.get("noop_with_empty_axes", 0):
        return Affine((name,), node.output[0], lambda x: x)
    over = tuple(1 + axis % len(sample) for axis in (axes or range(len(sample))))
    keep = bool(given.get("keepdims", 1))
    reduce = np.mean if node.op_type == "ReduceMean" else np.sum
    return Affine((name,), node.output[0], lambda x: reduce(x, axis=over, keepdims=keep))


def _same(_: Context, node: NodeProto) -> Step:
    """Identity, Dropout at inference, and casts from one type of floats to another."""
    if node.op_type == "Cast" and attributes(node)["to"] not in _FLOATS:
        raise UnsupportedError("it rounds to a type that isn't one of floats")
    return Affine((node.input[0],), node.output[0], lambda x: x)


def _moved(context: Context, node: NodeProto) -> list[Step]:
    """Operators that move elements about: what they do with numbers of places tells what they do with values."""
    names = context.varying(node)
    if names != (node.input[0],):
        raise UnsupportedError("where it moves elements depends on the model's input")
    sample = context.samples[names[0]]
    values = dict(context.constants)
    # From 1 on, so that 0 can stand for what is filled in.
    values[names[0]] = np.arange(1, prod(sample) + 1, dtype=np.float64).reshape(sample)
    fill = 0.0
    copy = NodeProto()
    copy.CopyFrom(node)
    if node.op_type == "Pad":
        stored = context.number(node, 2)
        fill = float(attributes(node).get("value", 0.0) if stored is None else stored.reshape(()))
        kept = [attribute for attribute in node.attribute if attribute.name != "value"]
        del copy.attribute[:]
        copy.attribute.extend(kept)
        if stored is not None:
            values[node.input[2]] = np.zeros((), np.float64)
    if node.op_type in {"Resize", "Upsample"} and attributes(node).get("mode", b"nearest") != b"nearest":
        raise UnsupportedError("it interpolates")
    found = context.evaluate(copy, values)
    return [
        Affine(names, output, affine.moved(places.astype(np.int64) - 1, fill))
        for output, places in zip((name for name in node.output if name), found, strict=True)
    ]


_FLOATS = {1, 10, 11, 16}
_MOVING = frozenset(
    {
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
    }
)
_OPERATORS: dict[str, Callable[[Context, NodeProto], Step]] = {
    "Abs": _abs,
    "Add": _sum,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_normalization,
    "Cast": _same,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "Div": _scaled,
    "Dropout": _same,
    "Gemm": _gemm,
    "GlobalAveragePool": _average_pool,
    "GlobalMaxPool": _max_pool,
    "HardSigmoid": _hard_sigmoid,
    "Identity": _same,
    "LeakyRelu": _leaky_relu,
    "MatMul": _matmul,
    "Max": _extreme,
    "MaxPool": _max_pool,
    "Mean": _sum,
    "Min": _extreme,
    "Mul": _scaled,
    "Neg": _negative,
    "PRelu": _prelu,
    "ReduceMax": _reduce_max,
    "ReduceMean": _reduced,
    "ReduceMin": _reduce_max,
    "ReduceSum": _reduced,
    "Relu": _relu,
    "Sub": _sum,
    "Sum": _sum,
}


# Operators whose units bend.
BENDING = frozenset(
    {
        "Abs",
        "Clip",
        "GlobalMaxPool",
        "HardSigmoid",
        "LeakyRelu",
        "Max",
        "MaxPool",
        "Min",
        "PRelu",
        "ReduceMax",
        "ReduceMin",
        "Relu",
    }
)


def steps_of(context: Context, node: NodeProto) -> list[Step]:
    """The steps that a node is.

    Args:
        context: What is known of its inputs.
        node: A node of which some input depends on the model's input.

    Returns:
        One step for each output that is used.

    Raises:
        UnsupportedError: If it isn't piecewise linear, or not known here.
    """
    if node.domain in {"", "ai.onnx"}:
        if node.op_type in _MOVING:
            return _moved(context, node)
        if node.op_type in _OPERATORS:
            return [_OPERATORS[node.op_type](context, node)]
    raise UnsupportedError("exact boundaries are not known for it")
