"""Heads of classifiers: the linear layer that computes a tensor."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import NodeProto

from onnx_ood._types import Float
from onnx_ood.graph.catalogue.model import Model, once_per_model
from onnx_ood.graph.catalogue.nodes import CONTRIB_DOMAIN, attribute_values, is_standard, producers
from onnx_ood.graph.catalogue.stored import StoredValues
from onnx_ood.graph.packed_weights import unpack_blocks

RESHAPING_OPS = frozenset({"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})
"""Operators that keep values and their order, up to dtype and shape."""
ROUNDING_OPS = frozenset({"DequantizeLinear", "QuantizeLinear"})
"""Operators that keep values and their order, up to rounding."""
QUANTIZED_DTYPES = frozenset({"int8", "uint8"})
"""Element types of quantized values that can be read."""
_IDENTITY_OPS = RESHAPING_OPS | ROUNDING_OPS | {"Dropout"}
# Operators with a non-negative result for a non-negative input.
_SIGN_PRESERVING_OPS = _IDENTITY_OPS | {
    "AveragePool",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "MaxPool",
    "Pad",
    "ReduceMax",
    "ReduceMean",
    "Transpose",
}
_NON_NEGATIVE_OPS = frozenset({"HardSigmoid", "Relu", "Sigmoid", "Softmax", "Softplus"})
# onnxruntime's quantized pooling: the mean of a map whose numbers have a scale and a zero point.
_QUANTIZED_POOLS = frozenset({"QLinearGlobalAveragePool"})
_EINSUM = re.compile(r"(\w)(\w),(\w)(\w)->(\w)(\w)")


@dataclass(frozen=True)
class LinearLayer:
    """A layer z = W·h + b.

    Attributes:
        features: Name of the tensor h.
        weight: W, float64 [C, D].
        bias: b, float64 [C].
        rectified: True if h cannot be negative, because of the operators that compute it.
        pooled: The feature map with h as its mean over all positions, None if there is none.
        step: Scale and zero point of h if the tensor `features` holds it as integers; None for floats.
        averaged: True if the layer is applied at each position of a feature map before its mean is taken over all
            positions. The mean of a linear function is the function of the mean, so h is the mean of the map
            `features` over all positions; no tensor of the model holds it.
    """

    features: str
    weight: Float
    bias: Float
    rectified: bool
    pooled: str | None
    averaged: bool = False
    step: tuple[float, float] | None = None


@once_per_model
def find_linear_layer(model: Model, scores: str) -> LinearLayer | None:
    """Find the linear layer that computes a tensor.

    The weights of quantized layers are dequantized: W·h + b is the tensor up to the rounding of h and of the tensor.

    Args:
        model: The model. Of its weights only those of the layer are read.
        scores: A tensor of the main graph.

    Returns:
        The layer; None if another operator computes the tensor, or the weights are not stored.
    """
    found = _Search(model).find(scores)
    return None if isinstance(found, str) else found


def why_no_linear_layer(model: Model, scores: str) -> str | None:
    """Return why no linear layer computes a tensor; None if one does.

    Args:
        model: The model.
        scores: A tensor of the main graph.
    """
    found = _Search(model).find(scores)
    return found if isinstance(found, str) else None


def keeps_order(model: Model, node: NodeProto) -> bool:
    """Return whether a Transpose keeps the order of each input's values: all other axes but one have size 1.

    Args:
        model: The model.
        node: A node of its main graph.
    """
    order = attribute_values(node).get("perm")
    tensor = model.by_name.get(node.input[0]) if node.input else None
    if not order or order[0] != 0 or tensor is None or tensor.shape is None:
        return False
    return len([size for size in tensor.shape[1:] if size != 1]) <= 1


def axes_of(node: NodeProto, stored: StoredValues) -> list[int] | None:
    """Read the axes of a reduction from its attribute or its second input; None if they are not stored.

    Args:
        node: The reduction.
        stored: Stored values of the model.
    """
    given: Any = attribute_values(node).get("axes")
    if given is None and len(node.input) > 1 and node.input[1]:
        values = stored.value(node.input[1])
        given = None if values is None else values.reshape(-1).tolist()
    return None if given is None else list(given)


def quantization_step(stored: StoredValues, names: Sequence[str]) -> tuple[float, float] | None:
    """Read the scale and the zero point of a tensor; None unless both are stored numbers.

    Args:
        stored: Stored values of the model.
        names: Names of both. Without a second, or with an empty one, the zero point is 0.
    """
    values = [stored.value(name) if name else np.zeros(1) for name in [*names, ""][:2]]
    if not names or any(value is None or value.size != 1 for value in values):
        return None
    scale, zero = (float(np.asarray(value).reshape(())) for value in values)
    return scale, zero


@dataclass(frozen=True)
class _Product:
    """A product W·h with its own bias, and what the operators after it must do.

    Attributes:
        reads: The tensor h; quantized if the product is.
        weight: W, float64 [C, D].
        bias: The bias, float64 [C] or [1]; None without one.
        step: Inputs of the node with the scale and the zero point of h; empty if h is not quantized by a known step.
    """

    reads: str
    weight: Float
    bias: Float | None = None
    step: tuple[str, ...] = ()


@dataclass
class _Affine:
    """Operators between a product and the scores: scores = factor · product + shift.

    Attributes:
        factor: A number, or one per class if the product is one of integers.
        shift: A number, or one per class.
        scales: Scales that are computed from each input, by which a product of integers is multiplied.
        averaged: True after the mean over all positions.
        flipped: True for a product [C, N].
    """

    factor: Float
    shift: Float
    scales: list[str]
    averaged: bool = False
    flipped: bool = False


class _Search:
    """Search of one model."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._producer = producers(model.proto.graph.node)
        self._stored = StoredValues(model)

    def find(self, scores: str) -> LinearLayer | str:
        """Find the layer, or explain why there is none."""
        after = _Affine(np.ones(1), np.zeros(1), [])
        name = scores
        # Bounded, because a damaged file may hold a cycle.
        for _ in range(len(self._producer)):
            node = self._producer.get(name)
            if node is None or not node.input:
                break
            before = self._passed(node, after)
            if before is None:
                break
            name = before
        node = self._producer.get(name)
        if node is None:
            return f"no operator computes {name!r}" if name else "its operators are not known"
        product = self._product(node, after)
        if isinstance(product, str):
            return product
        return self._layer(scores, product, after)

    def _layer(self, scores: str, product: _Product, after: _Affine) -> LinearLayer | str:
        weight, bias = product.weight, np.zeros(1) if product.bias is None else product.bias
        rows = len(weight)
        if any(part.size not in {1, rows} for part in (bias, after.factor, after.shift)):
            return f"the bias of {scores!r} does not fit its weights"
        if not self._has_row(scores, rows):
            return f"the weights of {scores!r} have {rows:,} rows, not one per class"
        features = product.reads
        if not after.averaged and not self._has_row(features, weight.shape[1]):
            return f"the weights of {scores!r} do not fit the shape of {features!r}"
        step = quantization_step(self._stored, product.step) if self._is_quantized(features) else None
        pooled = features if after.averaged else self._pooled_map(features)
        return LinearLayer(
            features=features,
            weight=weight * after.factor.reshape(-1, 1),
            bias=np.broadcast_to(bias * after.factor + after.shift, rows).copy(),
            rectified=self._is_non_negative(features)
            or (step is not None and self._is_least(features, step[1])),
            pooled=pooled,
            averaged=after.averaged,
            step=step,
        )

    def _has_row(self, name: str, size: int) -> bool:
        """Return whether a tensor has a number of values for each input, as far as the file tells."""
        tensor = self._model.by_name.get(name)
        if tensor is None or tensor.shape is None:
            return True
        found = 1
        for one in tensor.shape[1:] if len(tensor.shape) > 1 else tensor.shape:
            if not isinstance(one, int):
                return True
            found *= one
        return found == size

    def _passed(self, node: NodeProto, after: _Affine) -> str | None:
        """Pass an operator that keeps a linear function linear; None for others."""
        op, contrib = node.op_type, node.domain == CONTRIB_DOMAIN
        if not is_standard(node.domain) and not contrib:
            return None
        if op in _IDENTITY_OPS:
            return node.input[0]
        if op == "Transpose":
            if keeps_order(self._model, node):
                return node.input[0]
            if list(attribute_values(node).get("perm", ())) == [1, 0] and not after.flipped:
                after.flipped = True
                return node.input[0]
            return None
        if op in {"Add", "BiasAdd", "Sub"} and len(node.input) == 2:
            return self._passed_sum(node, after)
        if op in {"Div", "Mul"} and len(node.input) == 2:
            return self._passed_scale(node, after)
        if op == "QLinearAdd" and contrib and len(node.input) > 5:
            for at, other in ((0, 3), (3, 0)):
                added = self._dequantized(node.input[at : at + 3])
                if added is not None and added.size == max(added.shape, default=1):
                    after.shift = after.shift + after.factor * added.reshape(-1)
                    return node.input[other]
            return None
        if not after.averaged and (self._is_global_mean(node) or (contrib and op in _QUANTIZED_POOLS)):
            after.averaged = True
            return node.input[0]
        return None

    def _passed_sum(self, node: NodeProto, after: _Affine) -> str | None:
        """Pass a sum or difference with a number per class."""
        for at, other in ((1, 0), (0, 1)):
            added = self._stored.value(node.input[at])
            if added is None or added.size != max(added.shape, default=1):
                continue
            row = np.asarray(added, np.float64).reshape(-1)
            if node.op_type == "Sub" and at == 0:
                after.shift, after.factor = after.shift + after.factor * row, -after.factor
            else:
                after.shift = after.shift + after.factor * (-row if node.op_type == "Sub" else row)
            return node.input[other]
        return None

    def _passed_scale(self, node: NodeProto, after: _Affine) -> str | None:
        """Pass a product with a number, and the scales of a product of integers."""
        if node.op_type == "Div":
            divisor = self._stored.value(node.input[1])
            if divisor is None or divisor.size != 1:
                return None
            with np.errstate(divide="ignore"):
                after.factor = after.factor / np.asarray(divisor, np.float64).reshape(-1)
            return node.input[0]
        for at, other in ((1, 0), (0, 1)):
            of_integers = self._of_integers(node.input[other])
            scale = self._scale(node.input[at], after if of_integers else None)
            if scale is not None and (scale.size == 1 or of_integers):
                after.factor = after.factor * scale
                return node.input[other]
        return None

    def _scale(self, name: str, after: _Affine | None) -> Float | None:
        """Read a scale. Factors of it that are computed from each input are noted in `after.scales`."""
        value = self._stored.value(name)
        if value is not None:
            row = np.asarray(value, np.float64).reshape(-1)
            return row if value.size == max(value.shape, default=1) else None
        node = self._producer.get(name)
        if after is None or node is None:
            return None
        if node.op_type == "DynamicQuantizeLinear" and name == node.output[1]:
            after.scales.append(name)
            return np.ones(1)
        if node.op_type == "Mul" and len(node.input) == 2:
            one, other = (self._scale(each, after) for each in node.input)
            return None if one is None or other is None else one * other
        return None

    def _of_integers(self, name: str) -> bool:
        """Return whether a tensor is a product of integers, also scaled."""
        for _ in range(4):
            node = self._producer.get(name)
            if node is None:
                return False
            if node.op_type in {"ConvInteger", "MatMulInteger"}:
                return True
            if node.op_type not in {"Mul", *RESHAPING_OPS}:
                return False
            name = node.input[0]
        return False

    def _product(self, node: NodeProto, after: _Affine) -> _Product | str:
        """Read the weights of a linear node."""
        op, contrib = node.op_type, node.domain == CONTRIB_DOMAIN
        found: _Product | None = None
        unknown = f"{op} computes {node.output[0]!r}, not a linear layer"
        if not is_standard(node.domain) and not contrib:
            return unknown
        if op in {"FusedMatMul", "Gemm", "MatMul"}:
            found = self._of_matrices(node, flipped=after.flipped)
        elif after.flipped:
            return unknown
        elif op == "Conv":
            weight = self._value(node.input[1])
            if weight is not None:
                found = self._of_convolution(node, weight, self._bias(node, 2), after)
        elif op == "Einsum":
            found = self._of_einsum(node)
        elif op == "QLinearConv":
            found = self._of_quantized_convolution(node, after)
        elif op == "QLinearMatMul":
            found = self._of_quantized_matrices(node, node.input[3:6])
        elif op == "QGemm":
            found = self._of_quantized_matrices(node, node.input[3:6], bias=6)
        elif op == "MatMulIntegerToFloat":
            by = (node.input[1], node.input[3], *node.input[5:6])
            found = self._of_quantized_matrices(node, by, float_bias=6)
        elif op == "DynamicQuantizeMatMul":
            found = self._of_quantized_matrices(node, node.input[1:4], float_bias=4)
        elif op == "MatMulNBits":
            found = self._of_packed_matrix(node)
        elif op in {"ConvInteger", "MatMulInteger"}:
            found = self._of_integers_product(node, after)
        else:
            return unknown
        if found is None:
            return f"the weights of {node.output[0]!r} ({op}) are not stored as those of a linear layer"
        step = tuple(node.input[1:3]) if op in {"QGemm", "QLinearConv", "QLinearMatMul"} else ()
        return _Product(self._floats(found.reads), found.weight, found.bias, step)

    def _value(self, name: str) -> Float | None:
        value = self._stored.value(name)
        return None if value is None else np.asarray(value, np.float64)

    def _bias(self, node: NodeProto, at: int) -> Float | None:
        """Read a bias; NaN if it is not stored."""
        if len(node.input) <= at or not node.input[at]:
            return None
        value = self._value(node.input[at])
        return np.full(0, np.nan) if value is None else value.reshape(-1)

    def _dequantized(self, names: Sequence[str], axis: int = 0) -> Float | None:
        """Dequantize stored values with a scale and a zero point, each a number or one per place of an axis.

        Args:
            names: Values, scale and zero point; an empty name for a scale of 1 or a zero point of 0.
            axis: The axis of several scales.
        """
        values, scale, zero_point, *_ = [*names, "", ""]
        stored, by = self._value(values), self._value(scale) if scale else np.ones(1)
        zero = self._value(zero_point) if zero_point else np.zeros(1)
        if stored is None or by is None or zero is None:
            return None

        def along(row: Float) -> Float:
            if row.size == 1:
                return row.reshape(())
            shape = [1] * stored.ndim
            shape[axis] = row.size
            return row.reshape(shape)

        if any(row.size not in {1, *stored.shape[axis : axis + 1 or None]} for row in (by, zero)):
            return None
        found: Float = (stored - along(zero)) * along(by)
        return found

    def _of_matrices(self, node: NodeProto, *, flipped: bool) -> _Product | None:
        """Read a product of two matrices, one of which is stored: h·Wᵀ [N, C], or W·hᵀ [C, N] if flipped."""
        attributes = attribute_values(node)
        if len(node.input) < 2 or any(attributes.get(name) for name in ("transBatchA", "transBatchB")):
            return None
        at, name = (0, "transA") if flipped else (1, "transB")
        weight = self._value(node.input[at])
        bias = self._bias(node, 2)
        if weight is None or weight.ndim != 2 or (bias is not None and not bias.size):
            return None
        if bool(attributes.get(name)) is flipped:
            weight = weight.T
        reads = node.input[1 - at]
        # Features come as [N, D]; those of W·hᵀ as [D, N].
        if bool(attributes.get("transB" if flipped else "transA")) is not flipped:
            turned = self._producer.get(reads)
            if turned is None or turned.op_type != "Transpose":
                return None
            if list(attribute_values(turned).get("perm", (1, 0))) != [1, 0]:
                return None
            reads = turned.input[0]
        if bias is not None:
            bias = bias * attributes.get("beta", 1.0)
        return _Product(reads, weight * attributes.get("alpha", 1.0), bias)

    def _of_convolution(
        self, node: NodeProto, weight: Float, bias: Float | None, after: _Affine
    ) -> _Product | None:
        """Read a convolution that is a linear layer: 1 × 1, or with a kernel as large as its input."""
        attributes = attribute_values(node)
        if attributes.get("group", 1) != 1 or weight.ndim < 3 or (bias is not None and not bias.size):
            return None
        kernel = weight.shape[2:]
        if any(attributes.get("pads", ())) or (
            after.averaged and any(i != 1 for i in attributes.get("strides", ()))
        ):
            return None
        if any(size != 1 for size in kernel):
            tensor = self._model.by_name.get(node.input[0])
            shape = None if tensor is None else tensor.shape
            if after.averaged or shape is None or shape[2:] != kernel:
                return None
            if attributes.get("auto_pad", b"NOTSET") not in {b"NOTSET", b"VALID"}:
                return None
        return _Product(node.input[0], weight.reshape(len(weight), -1), bias)

    def _of_einsum(self, node: NodeProto) -> _Product | None:
        """Read a product of h [N, D] and a stored matrix, in any order of axes."""
        equation = attribute_values(node).get("equation", b"").decode(errors="replace").replace(" ", "")
        match = _EINSUM.fullmatch(equation)
        if match is None or len(node.input) != 2:
            return None
        for at, other in ((1, 0), (0, 1)):
            weight = self._value(node.input[at])
            if weight is None or weight.ndim != 2:
                continue
            rows, columns = match.groups()[2 * other : 2 * other + 2]
            own = match.groups()[2 * at : 2 * at + 2]
            classes = match.group(6)
            if match.group(5) != rows or set(own) != {columns, classes} or len({rows, columns, classes}) < 3:
                return None
            return _Product(node.input[other], weight if own[0] == classes else weight.T)
        return None

    def _of_quantized_convolution(self, node: NodeProto, after: _Affine) -> _Product | None:
        if len(node.input) < 8:
            return None
        weight = self._dequantized(node.input[3:6])
        if weight is None:
            return None
        bias = self._quantized_bias(node, 8, node.input[1], node.input[4])
        return self._of_convolution(node, weight, bias, after)

    def _of_quantized_matrices(
        self, node: NodeProto, names: Sequence[str], *, bias: int = 0, float_bias: int = 0
    ) -> _Product | None:
        """Read a product of quantized matrices, with a bias of integers or of floats at an input."""
        attributes = attribute_values(node)
        turned = bool(attributes.get("transB"))
        weight = self._dequantized(names, axis=0 if turned else 1)
        if weight is None or weight.ndim != 2 or attributes.get("transA"):
            return None
        alpha = attributes.get("alpha", 1.0)
        added = self._bias(node, float_bias) if float_bias else None
        if bias:
            added = self._quantized_bias(node, bias, node.input[1], names[1], alpha)
        if added is not None and not added.size:
            return None
        return _Product(node.input[0], (weight if turned else weight.T) * alpha, added)

    def _quantized_bias(
        self, node: NodeProto, at: int, scale: str, weight_scale: str, alpha: float = 1.0
    ) -> Float | None:
        """Read a bias of integers in units of both scales; empty if it is not stored."""
        bias = self._bias(node, at)
        if bias is None or not bias.size:
            return bias
        units = [self._value(scale), self._value(weight_scale)]
        if units[0] is None or units[1] is None:
            return np.zeros(0)
        found: Float = bias * alpha * units[0].reshape(-1) * units[1].reshape(-1)
        return found

    def _of_integers_product(self, node: NodeProto, after: _Affine) -> _Product | None:
        """Read a product of integers, whose scales are factors after it."""
        zero_point = node.input[3] if len(node.input) > 3 else ""
        convolution = node.op_type == "ConvInteger"
        weight = self._dequantized((node.input[1], "", zero_point), axis=0 if convolution else 1)
        quantizer = self._quantizer(node.input[0])
        if weight is None or quantizer is None:
            return None
        if quantizer.op_type == "DynamicQuantizeLinear":
            if after.scales != [quantizer.output[1]]:
                return None
        else:
            scale = self._value(quantizer.input[1])
            if after.scales or scale is None or scale.size != 1:
                return None
            weight = weight / scale.reshape(())
        if convolution:
            return self._of_convolution(node, weight, None, after)
        return _Product(node.input[0], weight.T) if weight.ndim == 2 else None

    def _of_packed_matrix(self, node: NodeProto) -> _Product | None:
        """Read a matrix of a few bits a weight, quantized in blocks."""
        if (len(node.input) > 4 and node.input[4]) or len(node.input) < 3:
            return None
        packed, scales = (self._stored.value(name) for name in node.input[1:3])
        zero_points = self._stored.value(node.input[3]) if len(node.input) > 3 and node.input[3] else None
        if (
            packed is None
            or scales is None
            or (len(node.input) > 3 and node.input[3] and zero_points is None)
        ):
            return None
        bias = self._bias(node, 5)
        weight = unpack_blocks(packed, scales, zero_points, attribute_values(node))
        if weight is None or (bias is not None and not bias.size):
            return None
        return _Product(node.input[0], weight, bias)

    def _quantizer(self, name: str) -> NodeProto | None:
        """Find the node that quantizes a tensor."""
        node = self._origin(name, RESHAPING_OPS)
        return (
            node if node is not None and node.op_type in {"DynamicQuantizeLinear", "QuantizeLinear"} else None
        )

    def _floats(self, name: str) -> str:
        """Return the floats of a quantized tensor, before or after quantization; the tensor itself without any."""
        if not self._is_quantized(name):
            return name
        quantizer = self._quantizer(name)
        if quantizer is not None:
            return quantizer.input[0]
        return self._model.dequantized.get(name, name)

    def _is_quantized(self, name: str) -> bool:
        tensor = self._model.by_name.get(name)
        return tensor is not None and tensor.dtype in QUANTIZED_DTYPES

    def _is_least(self, name: str, zero_point: float) -> bool:
        """Return whether a zero point is the smallest integer of a tensor."""
        return zero_point == np.iinfo(str(self._model.by_name[name].dtype)).min

    def _pooled_map(self, name: str) -> str | None:
        """Find the feature map whose mean over all positions is a tensor, without rounding."""
        node = self._origin(name, _IDENTITY_OPS - ROUNDING_OPS)
        return node.input[0] if node is not None and self._is_global_mean(node) else None

    def _is_global_mean(self, node: NodeProto) -> bool:
        """Return whether a node is the mean over all positions of a feature map [N, C, H, W]."""
        if not node.input or not is_standard(node.domain):
            return False
        if node.op_type == "ReduceMean":
            axes = axes_of(node, self._stored)
            return axes is not None and sorted(axes) in ([2, 3], [-2, -1])
        if node.op_type == "AveragePool":
            tensor = self._model.by_name.get(node.input[0])
            shape = None if tensor is None else tensor.shape
            attributes = attribute_values(node)
            kernel = tuple(attributes.get("kernel_shape", ()))
            return shape is not None and shape[2:] == kernel and not any(attributes.get("pads", ()))
        return node.op_type == "GlobalAveragePool"

    def _is_non_negative(self, name: str) -> bool:
        """Return True if the operators before a tensor rule out negative values."""
        node = self._producer.get(name)
        for _ in range(len(self._producer)):
            if node is None or not node.input or self._is_unsigned(node):
                break
            if node.op_type not in _SIGN_PRESERVING_OPS:
                break
            node = self._producer.get(node.input[0])
        if node is None:
            return False
        if self._is_unsigned(node):
            return True
        if node.op_type == "Clip":
            given = len(node.input) > 1 and node.input[1]
            low = self._stored.value(node.input[1]) if given else attribute_values(node).get("min")
            return low is not None and float(np.min(low)) >= 0
        return node.op_type in _NON_NEGATIVE_OPS

    def _is_unsigned(self, node: NodeProto) -> bool:
        """Return whether quantization leaves no negative values: the zero point is the smallest integer."""
        if node.op_type not in ROUNDING_OPS or len(node.input) < 3 or not node.input[2]:
            return False
        zero = self._stored.value(node.input[2])
        if zero is None or not np.issubdtype(zero.dtype, np.integer):
            return False
        return bool((zero == np.iinfo(zero.dtype).min).all())

    def _origin(self, name: str, skipped: Collection[str]) -> NodeProto | None:
        """Find the node that computes a tensor, before all nodes of the skipped operators."""
        node = self._producer.get(name)
        for _ in range(len(self._producer)):
            if node is None or node.op_type not in skipped or not node.input:
                break
            node = self._producer.get(node.input[0])
        return node
