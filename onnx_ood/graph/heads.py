"""Heads of classifiers: the linear layer that computes a tensor."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from onnx import NodeProto

from onnx_ood._types import Array, Float
from onnx_ood.graph.catalogue.model import Model, once_per_model
from onnx_ood.graph.catalogue.nodes import attribute_values, producers
from onnx_ood.graph.catalogue.stored import StoredValues

RESHAPING_OPS = frozenset({"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})
"""Operators that keep values and their order, up to dtype and shape."""
_IDENTITY_OPS = RESHAPING_OPS | {"DequantizeLinear", "Dropout", "QuantizeLinear"}
# Operators with a non-negative result for a non-negative input.
_SIGN_PRESERVING_OPS = _IDENTITY_OPS | {
    "AveragePool",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "MaxPool",
    "Pad",
    "ReduceMax",
    "ReduceMean",
}
_NON_NEGATIVE_OPS = frozenset({"HardSigmoid", "Relu", "Sigmoid", "Softmax", "Softplus"})


@dataclass(frozen=True)
class LinearLayer:
    """A layer z = W·h + b.

    Attributes:
        features: Name of the tensor h.
        weight: W, float64 [C, D].
        bias: b, float64 [C].
        rectified: True if h cannot be negative, because of the operators that compute it.
        pooled: The feature map with h as its mean over all positions, None if there is none.
    """

    features: str
    weight: Float
    bias: Float
    rectified: bool
    pooled: str | None


@once_per_model
def find_linear_layer(model: Model, scores: str) -> LinearLayer | None:
    """Find the linear layer that computes a tensor.

    Args:
        model: The model. Of its weights only those of the layer are read.
        scores: A tensor of the main graph.

    Returns:
        The layer; None if another operator computes the tensor, or the weights are not stored.
    """
    producer = producers(model.proto.graph.node)
    stored = StoredValues(model)
    node = _origin(producer, scores, _IDENTITY_OPS)
    added: Array | None = None
    if node is not None and node.op_type == "Add":
        # One side is a bias, the other a product.
        for term, other in (node.input, node.input[::-1]):
            added = stored.value(term)
            if added is not None and added.size == max(added.shape, default=1):
                node = _origin(producer, other, _IDENTITY_OPS)
                break
        else:
            return None
    found = None if node is None else _weight_and_bias(node, stored)
    if node is None or found is None:
        return None
    weight, own = found
    bias = sum(
        (np.asarray(part, np.float64).reshape(-1) for part in (own, added) if part is not None),
        start=np.zeros(1),
    )
    if bias.size not in {1, len(weight)}:
        return None
    return LinearLayer(
        features=node.input[0],
        weight=weight,
        bias=np.broadcast_to(bias, len(weight)).copy(),
        rectified=_is_non_negative(producer, stored, node.input[0]),
        pooled=_pooled_map(producer, stored, node.input[0]),
    )


def _weight_and_bias(node: NodeProto, stored: StoredValues) -> tuple[Float, Array | None] | None:
    """Weight [C, D] and bias of a linear node, None for another node."""
    attributes = attribute_values(node)
    if node.op_type not in {"Conv", "Gemm", "MatMul"} or len(node.input) < 2:
        return None
    weight = stored.value(node.input[1])
    if weight is None:
        return None
    weight = np.asarray(weight, np.float64)
    bias: Array | None = None
    if len(node.input) > 2:
        bias = stored.value(node.input[2])
        if bias is None:
            return None
    if node.op_type == "Conv":
        # A 1 × 1 convolution, a linear layer if its input has one position.
        if attributes.get("group", 1) != 1 or weight[0].size != weight.shape[1]:
            return None
        return weight.reshape(weight.shape[:2]), bias
    if weight.ndim != 2 or attributes.get("transA"):
        return None
    weight = weight if attributes.get("transB") else weight.T
    if bias is not None:
        bias = bias * attributes.get("beta", 1.0)
    return weight * attributes.get("alpha", 1.0), bias


def _pooled_map(producer: Mapping[str, NodeProto], stored: StoredValues, name: str) -> str | None:
    """Find the feature map whose mean over all positions is a tensor, without rounding."""
    node = _origin(producer, name, _IDENTITY_OPS - {"DequantizeLinear", "QuantizeLinear"})
    if node is None or not node.input:
        return None
    if node.op_type == "GlobalAveragePool":
        return node.input[0]
    if node.op_type == "ReduceMean":
        axes = attribute_values(node).get("axes")
        if axes is None and len(node.input) > 1:
            found = stored.value(node.input[1])
            axes = None if found is None else found.tolist()
        if axes is not None and sorted(axes) in ([2, 3], [-2, -1]):
            return node.input[0]
    return None


def _is_non_negative(producer: Mapping[str, NodeProto], stored: StoredValues, name: str) -> bool:
    """Return True if the operators before a tensor rule out negative values."""
    node = _origin(producer, name, _SIGN_PRESERVING_OPS)
    if node is None:
        return False
    if node.op_type == "Clip":
        given = len(node.input) > 1 and node.input[1]
        low = stored.value(node.input[1]) if given else attribute_values(node).get("min")
        return low is not None and float(np.min(low)) >= 0
    return node.op_type in _NON_NEGATIVE_OPS


def _origin(producer: Mapping[str, NodeProto], name: str, skipped: Collection[str]) -> NodeProto | None:
    """Find the node that computes a tensor, before all nodes of the skipped operators."""
    node = producer.get(name)
    # Bounded, because a damaged file may hold a cycle.
    for _ in range(len(producer)):
        if node is None or node.op_type not in skipped or not node.input:
            break
        node = producer.get(node.input[0])
    return node
