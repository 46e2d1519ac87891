"""Types that onnx's inference leaves open although the rank follows from the operator."""

from __future__ import annotations

from collections.abc import Mapping

from onnx import GraphProto, NodeProto, TensorProto, TypeProto

from onnx_ood._types import Array
from onnx_ood.graph.catalogue.nodes import attribute_values, is_standard
from onnx_ood.graph.catalogue.type_protos import kind_of, rank_of, static_shape, tensor_type, types_in

# The result has the rank of the first input, whatever the others are.
_SAME_RANK_OPS = frozenset({"Pad", "Resize", "Slice", "Split", "Tile", "Upsample"})
# Of the domain ai.onnx.ml. Scaled features have the shape of the features.
_SCALER_OPS = frozenset({"Normalizer", "Scaler"})
_CLASSIFIER_OPS = frozenset({"LinearClassifier", "SVMClassifier", "TreeEnsembleClassifier"})
_REGRESSOR_OPS = frozenset({"LinearRegressor", "SVMRegressor", "TreeEnsembleRegressor"})


def is_ranked(type_proto: TypeProto | None) -> bool:
    """Return whether a type's rank is known."""
    kind = kind_of(type_proto)
    return kind is not None and (kind != "tensor_type" or rank_of(type_proto) is not None)


def result_type(
    node: NodeProto,
    i: int,
    inner: Mapping[str, GraphProto],
    values: Mapping[str, Array],
    types: Mapping[str, TypeProto],
) -> TypeProto | None:
    """Find the type of a node's result beyond onnx's inference.

    Args:
        node: The node.
        i: Position of the result.
        inner: The node's subgraphs with types, by attribute.
        values: Values that are the same in every run, by name.
        types: Known types by name.

    Returns:
        The type, None if nothing more than `types` is known.
    """
    known = types.get(node.output[i])
    # For an If, onnx infers what both branches have in common, possibly less than the branch always taken has.
    if node.op_type == "If":
        found = _of_branch(node, i, inner, values, types)
        better = static_shape(found) is not None and static_shape(known) is None
        return found if not is_ranked(known) or better else None
    return None if is_ranked(known) else _of_operator(node, i, types)


def _of_branch(
    node: NodeProto,
    i: int,
    inner: Mapping[str, GraphProto],
    values: Mapping[str, Array],
    types: Mapping[str, TypeProto],
) -> TypeProto | None:
    """Type of a result of an If with a constant condition."""
    condition = values.get(node.input[0])
    if condition is None or condition.size != 1:
        return None
    branch = inner.get("then_branch" if condition.item() else "else_branch")
    if branch is None or i >= len(branch.output):
        return None
    found = ({**types, **types_in(branch)}).get(branch.output[i].name)
    return found if is_ranked(found) else None


def _of_operator(node: NodeProto, i: int, types: Mapping[str, TypeProto]) -> TypeProto | None:
    if not node.input:
        return None
    first = types.get(node.input[0])
    known = types.get(node.output[i])
    if node.domain == "ai.onnx.ml":
        return _of_ml_operator(node, i, first)
    if not is_standard(node.domain):
        return None
    if node.op_type == "Dropout":
        # Its mask, before version 10 of the operators, which onnx doesn't infer.
        return first if is_ranked(first) else None
    rank = _rank(node, rank_of(first), _length_of_second(node, types))
    if first is None or rank is None or (known is None and node.op_type not in _SAME_RANK_OPS):
        return None
    return tensor_type((known or first).tensor_type.elem_type, rank)


def _of_ml_operator(node: NodeProto, i: int, first: TypeProto | None) -> TypeProto | None:
    """Type of a result in the domain ai.onnx.ml, which onnx doesn't infer: float32, as the operators define it."""
    if node.op_type in _SCALER_OPS and first is not None and is_ranked(first):
        scaled = TypeProto()
        scaled.CopyFrom(first)
        scaled.tensor_type.elem_type = TensorProto.FLOAT
        return scaled
    # One row per input, one column per class or target.
    scores = i == 1 if node.op_type in _CLASSIFIER_OPS else i == 0 and node.op_type in _REGRESSOR_OPS
    return tensor_type(TensorProto.FLOAT, 2) if scores else None


def _length_of_second(node: NodeProto, types: Mapping[str, TypeProto]) -> int | None:
    """Count the elements of the second input; None if unknown or not a vector."""
    shape = static_shape(types.get(node.input[1])) if len(node.input) > 1 and node.input[1] else None
    return shape[0] if shape is not None and len(shape) == 1 else None


def _rank(node: NodeProto, rank: int | None, length: int | None) -> int | None:
    """Rank of a result, from the rank of the first input and the length of the second."""
    if node.op_type == "Reshape":
        return length
    if rank is None:
        return None
    if node.op_type in _SAME_RANK_OPS:
        return rank
    if node.op_type.startswith("Reduce"):
        if attribute_values(node).get("keepdims", 1):
            return rank
        # Of several axes two may be the same.
        return rank - 1 if length == 1 and rank else None
    if length is None:
        return None
    if node.op_type == "Expand":
        return max(rank, length)
    if node.op_type == "Unsqueeze":
        return rank + length
    if node.op_type == "Squeeze" and length == 1 and rank:
        return rank - 1
    return None
