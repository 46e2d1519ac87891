"""Where a classifier's scores come from: the tensor of its logits, and the linear layer that gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper

from onnx_ood._types import Float
from onnx_ood.graph.catalogue.model import Model
from onnx_ood.graph.catalogue.stored import StoredValues
from onnx_ood.graph.heads import gives_probabilities

# What changes no value.
_PASSING = frozenset({"Cast", "Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})
# What keeps values that are not negative from becoming so.
_KEEPS_SIGN = (
    frozenset(
        {"AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool", "Pad", "ReduceMax", "ReduceMean"}
    )
    | _PASSING
)
_NEVER_NEGATIVE = frozenset({"HardSigmoid", "Relu", "Sigmoid", "Softmax", "Softplus"})


@dataclass(frozen=True)
class ClassScores:
    """What a classifier answers with.

    Attributes:
        name: The tensor to read: logits where the file has them, what goes into a softmax included.
        probabilities: True if only their softmax, or another distribution, can be read.
    """

    name: str
    probabilities: bool


@dataclass(frozen=True)
class LinearLayer:
    """A layer z = W·h + b.

    Attributes:
        features: The tensor h.
        weight: W, float64 [C, D].
        bias: b, float64 [C].
        rectified: True if h is never negative, because of the operators that it comes from.
        pooled: The feature map that h is the mean of over all places, None if there is none.
    """

    features: str
    weight: Float
    bias: Float
    rectified: bool
    pooled: str | None


def find_class_scores(model: Model) -> ClassScores | None:
    """Finds what a classifier answers with.

    Args:
        model: The model.

    Returns:
        The scores behind its first output; None if it has no output.
    """
    if not model.outputs:
        return None
    name = model.outputs[0]
    if not gives_probabilities(model, name):
        return ClassScores(name, probabilities=False)
    node = _walk(_producers(model), name)
    if node is not None and node.op_type == "Softmax":
        return ClassScores(node.input[0], probabilities=False)
    return ClassScores(name, probabilities=True)


def find_linear_layer(model: Model, scores: str) -> LinearLayer | None:
    """Finds the linear layer that gives a tensor.

    Args:
        model: The model. Of its weights those of the layer alone are read.
        scores: A tensor of the main graph.

    Returns:
        The layer, None if another operator gives the tensor, or weights that are not stored.
    """
    producers = _producers(model)
    stored = StoredValues(model)
    node = _walk(producers, scores)
    bias: NDArray[Any] | None = None
    if node is not None and node.op_type == "Add":
        # One side is a bias, the other a product.
        for term, other in (node.input, node.input[::-1]):
            bias = stored.value(term)
            if bias is not None and bias.size == max(bias.shape, default=1):
                node = _walk(producers, other)
                break
        else:
            return None
    read = None if node is None else _weight(node, stored)
    if node is None or read is None:
        return None
    weight, own = read
    total = sum(
        (np.asarray(part, np.float64).reshape(-1) for part in (own, bias) if part is not None),
        start=np.zeros(1),
    )
    if total.size not in {1, len(weight)}:
        return None
    return LinearLayer(
        features=node.input[0],
        weight=weight,
        bias=np.broadcast_to(total, len(weight)).copy(),
        rectified=_never_negative(producers, stored, node.input[0]),
        pooled=_pooled(producers, stored, node.input[0]),
    )


def _weight(node: NodeProto, stored: StoredValues) -> tuple[Float, NDArray[Any] | None] | None:
    """Weight [C, D] and bias of a node, None if it is no linear layer."""
    attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    if node.op_type not in {"Conv", "Gemm", "MatMul"} or len(node.input) < 2:
        return None
    weight = stored.value(node.input[1])
    if weight is None:
        return None
    weight = np.asarray(weight, np.float64)
    bias: NDArray[Any] | None = None
    if len(node.input) > 2:
        bias = stored.value(node.input[2])
        if bias is None:
            return None
    if node.op_type == "Conv":
        # A convolution by 1 × 1 of what has one place: the producer of its input says whether it has.
        if attributes.get("group", 1) != 1 or weight[0].size != weight.shape[1]:
            return None
        return weight.reshape(weight.shape[:2]), bias
    if weight.ndim != 2 or attributes.get("transA"):
        return None
    weight = weight if attributes.get("transB") else weight.T
    if bias is not None:
        bias = bias * attributes.get("beta", 1.0)
    return weight * attributes.get("alpha", 1.0), bias


def _pooled(producers: dict[str, NodeProto], stored: StoredValues, name: str) -> str | None:
    """The feature map whose mean over all places a tensor is."""
    node = _walk(producers, name)
    if node is None or not node.input:
        return None
    if node.op_type == "GlobalAveragePool":
        return node.input[0]
    if node.op_type == "ReduceMean":
        attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        axes = attributes.get("axes")
        if axes is None and len(node.input) > 1:
            found = stored.value(node.input[1])
            axes = None if found is None else found.tolist()
        if axes is not None and sorted(axes) in ([2, 3], [-2, -1]):
            return node.input[0]
    return None


def _never_negative(producers: dict[str, NodeProto], stored: StoredValues, name: str) -> bool:
    """Whether operators say that a tensor is never negative."""
    node = producers.get(name)
    for _ in range(len(producers)):
        if node is None or node.op_type not in _KEEPS_SIGN or not node.input:
            break
        node = producers.get(node.input[0])
    if node is None:
        return False
    if node.op_type == "Clip":
        attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        low = stored.value(node.input[1]) if len(node.input) > 1 and node.input[1] else attributes.get("min")
        return low is not None and float(np.min(low)) >= 0
    return node.op_type in _NEVER_NEGATIVE


def _producers(model: Model) -> dict[str, NodeProto]:
    return {output: node for node in model.proto.graph.node for output in node.output if output}


def _walk(producers: dict[str, NodeProto], name: str) -> NodeProto | None:
    """The node that gives a tensor, passing by what changes no value."""
    node = producers.get(name)
    # A damaged file may hold a circle.
    for _ in range(len(producers)):
        if node is None or node.op_type not in _PASSING or not node.input:
            break
        node = producers.get(node.input[0])
    return node
