"""Folding of shape arithmetic: small integer tensors that are the same in every run."""

from __future__ import annotations

from math import prod

import numpy as np
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, TypeProto, helper, numpy_helper

from onnx_ood._types import Array
from onnx_ood.graph.catalogue.node_evaluation import evaluate_node
from onnx_ood.graph.catalogue.nodes import is_standard
from onnx_ood.graph.catalogue.tensors import stored_array
from onnx_ood.graph.catalogue.type_protos import static_shape

# Shapes and axes are small; larger values are not computed, so that a file cannot cost time or memory.
_MAX_ELEMENTS = 1024
# Computing a node takes a third of a millisecond; the largest models need some thousand.
_MAX_NODES = 10_000
# Operators of shape arithmetic. On integers and booleans they are exact, the same in every runtime.
_FOLDED_OPS = frozenset(
    {
        "Abs",
        "Add",
        "And",
        "Cast",
        "CastLike",
        "Concat",
        "Constant",
        "ConstantOfShape",
        "Div",
        "Equal",
        "Expand",
        "Flatten",
        "Gather",
        "Greater",
        "GreaterOrEqual",
        "Identity",
        "Less",
        "LessOrEqual",
        "Max",
        "Min",
        "Mod",
        "Mul",
        "Neg",
        "Not",
        "Or",
        "Range",
        "ReduceMax",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "Reshape",
        "Shape",
        "Size",
        "Slice",
        "Split",
        "Squeeze",
        "Sub",
        "Transpose",
        "Unsqueeze",
        "Where",
        "Xor",
    }
)


def stored_integers(graph: GraphProto) -> dict[str, Array]:
    """Small integer and boolean initializers of a graph, by name; overridable defaults of inputs are left out."""
    inputs = {value.name for value in graph.input}
    found = {}
    for tensor in graph.initializer:
        if tensor.name not in inputs and _is_small(tensor):
            value = stored_array(tensor)
            if _is_exact(value):
                found[tensor.name] = value
    return found


class Folder:
    """Folds nodes of one model, up to a limit on their number."""

    def __init__(self, opsets: list[tuple[str, int]]) -> None:
        """Take the operator sets of the model, as domain and version."""
        self._opsets = opsets
        self._remaining = _MAX_NODES

    def fold(self, node: NodeProto, values: dict[str, Array], types: dict[str, TypeProto]) -> bool:
        """Compute a node whose results are the same in every run, and make it a Constant.

        Args:
            node: The node; it is changed if it has one result.
            values: Known values by name; results are added.
            types: Known types by name.

        Returns:
            True if the node is a Constant now and was not before.
        """
        if node.op_type not in _FOLDED_OPS or not is_standard(node.domain):
            return False
        if node.op_type in {"Shape", "Size"}:
            shape = static_shape(types.get(node.input[0]))
            if shape is None:
                return False
            # Only the shape matters; the array takes no memory.
            given: list[Array | None] = [np.broadcast_to(np.zeros((), np.bool_), shape)]
        else:
            given = [values.get(name) for name in node.input]
            if any(name and value is None for name, value in zip(node.input, given, strict=True)):
                return False
        if not self._remaining or not _is_cheap_and_portable(node, given):
            return False
        self._remaining -= 1
        named = {name: value for name, value in zip(node.input, given, strict=True) if value is not None}
        try:
            results = evaluate_node(node, named, self._opsets)
        except Exception:
            return False  # The node stays as it is, of unknown value.
        if len(results) != len(node.output) or not all(map(_is_exact, results)):
            return False
        values.update(zip(node.output, results, strict=True))
        if node.op_type == "Constant" or len(results) > 1:
            return False
        constant = helper.make_node(
            "Constant", [], list(node.output), name=node.name, value=numpy_helper.from_array(results[0])
        )
        node.CopyFrom(constant)
        return True


def _is_exact(value: Array) -> bool:
    return value.size <= _MAX_ELEMENTS and value.dtype.kind in "biu"


def _is_small(tensor: TensorProto) -> bool:
    return tensor.data_location != TensorProto.EXTERNAL and prod(tensor.dims) <= _MAX_ELEMENTS


def _is_cheap_and_portable(node: NodeProto, given: list[Array | None]) -> bool:
    """Return whether a node's result is small and the same in all runtimes."""
    if node.op_type == "Constant":
        return all(
            attribute.type != AttributeProto.SPARSE_TENSOR
            and (attribute.type != AttributeProto.TENSOR or _is_small(attribute.t))
            for attribute in node.attribute
        )
    with np.errstate(all="ignore"):
        if node.op_type in {"ConstantOfShape", "Expand"}:
            shape = given[-1]
            return shape is not None and prod(int(size) for size in shape.ravel()) <= _MAX_ELEMENTS
        if node.op_type == "Range":
            start, limit, step = (float(value) if value is not None else 0.0 for value in given)
            return step != 0 and (limit - start) / step <= _MAX_ELEMENTS
        if node.op_type in {"Div", "Mod"}:
            # Runtimes round negative quotients towards zero or down.
            first, second = given
            return bool(np.all(np.asarray(first) >= 0) and np.all(np.asarray(second) > 0))
    return True
