"""Types of everything that a graph computes, as far as they follow from the file.

onnx's own inference gives up where a shape is computed, be it from constants and sizes that are known, and at some
operators whose result's rank is plain. What it leaves open is closed here: such values are computed, such ranks are
told, and onnx infers again. Nothing is guessed: a rank that depends on what is fed stays open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    TypeProto,
    helper,
    numpy_helper,
    shape_inference,
)

from onnx_ood._types import Array

# Shapes, axes and the like are small; nothing larger is computed, so that a file can't cost time or memory.
_SMALL = 1024
# Computing a node takes a third of a millisecond; shapes of the largest models take some thousand.
_MOST = 10_000
# Each turn goes past one more shape that is computed from a shape; files don't chain many.
_TURNS = 16
# Operators that shapes are computed with: of integers and truth values they are exact, the same in every runtime.
_COMPUTED = frozenset(
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
# Operators whose results have the rank of their first input, whatever else they are given.
_SAME_RANK = frozenset({"Pad", "Resize", "Slice", "Split", "Tile", "Upsample"})
# Of the domain ai.onnx.ml: scaled features have the shape of the features.
_FEATURES = frozenset({"Normalizer", "Scaler"})
_CLASSIFIERS = frozenset({"LinearClassifier", "SVMClassifier", "TreeEnsembleClassifier"})
_REGRESSORS = frozenset({"LinearRegressor", "SVMRegressor", "TreeEnsembleRegressor"})


def inferred(model: ModelProto) -> GraphProto:
    """Infers types at all depths.

    Args:
        model: A model without its weights, its nodes in execution order; it is changed.

    Returns:
        Its graph with types. Every node is where it was; some that compute a shape are constants now.
    """
    graph = _by_onnx(model)
    telling = _Telling(model)
    for _ in range(_TURNS):
        if _all_ranked(graph) or not telling.add(graph):
            break
        graph = _by_onnx(model)
    return graph


def _by_onnx(model: ModelProto) -> GraphProto:
    try:
        return shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception:
        # Types are a help: where there are none, outputs stay untyped and the runtime infers them.
        return model.graph


def _subgraphs(node: NodeProto) -> Iterable[tuple[str, GraphProto]]:
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.name, attribute.g


def _all_ranked(graph: GraphProto) -> bool:
    types = _types(graph)
    return all(
        all(_ranked(types.get(name)) for name in node.output if name)
        and all(_all_ranked(inner) for _, inner in _subgraphs(node))
        for node in graph.node
    )


def _types(graph: GraphProto) -> dict[str, TypeProto]:
    return {
        value.name: value.type
        for values in (graph.input, graph.value_info, graph.output)
        for value in values
        if value.type.WhichOneof("value")
    }


def _ranked(kind: TypeProto | None) -> bool:
    """True if nothing is left to find out about a type but sizes."""
    value = kind.WhichOneof("value") if kind is not None else None
    return kind is not None and value is not None and (value != "tensor_type" or _rank(kind) is not None)


def _rank(kind: TypeProto | None) -> int | None:
    if kind is None or kind.WhichOneof("value") != "tensor_type" or not kind.tensor_type.HasField("shape"):
        return None
    return len(kind.tensor_type.shape.dim)


def _sizes(kind: TypeProto | None) -> tuple[int, ...] | None:
    """The shape of a tensor, None unless every size is a number."""
    if kind is None or _rank(kind) is None:
        return None
    dims = kind.tensor_type.shape.dim
    # Some exporters write −1 for "any size".
    known = all(dim.HasField("dim_value") and dim.dim_value >= 0 for dim in dims)
    return tuple(dim.dim_value for dim in dims) if known else None


@dataclass
class _Scope:
    """What is known where a node is: of its own graph, and of those around.

    Attributes:
        values: Small tensors that are the same in every run.
        types: Types.
        found: Types that were found in this graph and that onnx didn't infer.
    """

    values: dict[str, Array]
    types: dict[str, TypeProto]
    found: list[tuple[str, TypeProto]] = field(default_factory=list)

    def inside(self, body: GraphProto) -> _Scope:
        """What is known in a graph inside, whose names hide those around it."""
        hidden = {value.name for value in body.input} | {name for node in body.node for name in node.output}
        return _Scope(
            {name: value for name, value in self.values.items() if name not in hidden},
            {name: kind for name, kind in self.types.items() if name not in hidden} | _types(body),
        )


class _Telling:
    """Adds to a model what can be told beyond the types that onnx infers."""

    def __init__(self, model: ModelProto) -> None:
        self._opsets = [(entry.domain, entry.version) for entry in model.opset_import]
        self._ir_version = model.ir_version
        self._model = model
        self._left = _MOST

    def add(self, typed: GraphProto) -> bool:
        """Goes through the model once, `typed` being its graph with types; True if anything was new."""
        try:
            return self._graph(self._model.graph, typed, _Scope({}, _types(typed)))
        except Exception:
            return False  # A damaged file, of which nothing more can be told.

    def _graph(self, graph: GraphProto, typed: GraphProto, scope: _Scope) -> bool:
        """Adds to one graph, of which `typed` is the copy with types; True if anything was new."""
        new = False
        inputs = {value.name for value in graph.input}
        for tensor in graph.initializer:
            # What is an input as well is only a default.
            if tensor.name not in inputs and _is_small(tensor) and _exact(numpy_helper.to_array(tensor)):
                scope.values[tensor.name] = numpy_helper.to_array(tensor)
        for node, typed_node in zip(graph.node, typed.node, strict=True):
            inner = dict(_subgraphs(typed_node))
            for name, body in _subgraphs(node):
                new |= self._graph(body, inner[name], scope.inside(inner[name]))
            new |= self._compute(node, scope) or self._tell(node, inner, scope)
        for name, kind in scope.found:
            graph.value_info.add(name=name).type.CopyFrom(kind)
        return new

    def _compute(self, node: NodeProto, scope: _Scope) -> bool:
        """Computes the results of a node if they are the same in every run; True if the node is a constant now."""
        if node.op_type not in _COMPUTED or node.domain not in {"", "ai.onnx"}:
            return False
        if node.op_type in {"Shape", "Size"}:
            sizes = _sizes(scope.types.get(node.input[0]))
            if sizes is None:
                return False
            # Only its shape is looked at; it takes no memory.
            given: list[Array | None] = [np.broadcast_to(np.zeros((), np.bool_), sizes)]
        else:
            given = [scope.values.get(name) for name in node.input]
            if any(name and value is None for name, value in zip(node.input, given, strict=True)):
                return False
        if not self._left or not _stays_small(node, given):
            return False
        self._left -= 1
        results = self._run(node, given)
        if len(results) != len(node.output) or not all(map(_exact, results)):
            return False
        scope.values.update(zip(node.output, results, strict=True))
        if node.op_type == "Constant" or len(results) > 1:
            return False
        constant = helper.make_node(
            "Constant", [], list(node.output), name=node.name, value=numpy_helper.from_array(results[0])
        )
        node.CopyFrom(constant)
        return True

    def _run(self, node: NodeProto, given: list[Array | None]) -> list[Array]:
        named = {
            name: value for name, value in zip(node.input, given, strict=True) if name and value is not None
        }
        graph = helper.make_graph(
            [node],
            "computed",
            [helper.make_empty_tensor_value_info(name) for name in named],
            [helper.make_empty_tensor_value_info(name) for name in node.output],
        )
        opsets = [helper.make_opsetid(domain, version) for domain, version in self._opsets]
        try:
            # Slow to import, and seldom needed.
            from onnx.reference import ReferenceEvaluator  # noqa: PLC0415

            model = helper.make_model(graph, opset_imports=opsets, ir_version=self._ir_version)
            return [np.asarray(result) for result in ReferenceEvaluator(model).run(None, named)]
        except Exception:
            return []  # A node that can't be computed is one that tells nothing.

    def _tell(self, node: NodeProto, inner: Mapping[str, GraphProto], scope: _Scope) -> bool:
        """Adds what can be told of the types of a node's results; True if anything could."""
        told = False
        for i, name in enumerate(node.output):
            known = scope.types.get(name)
            if not name or (_ranked(known) and node.op_type != "If"):
                continue
            kind = _of_branch(node, i, inner, scope) if node.op_type == "If" else _of_rank(node, i, scope)
            # Of an If, onnx tells what both branches have in common: it may be less than the taken one has.
            if kind is not None and (
                not _ranked(known) or (_sizes(kind) is not None and _sizes(known) is None)
            ):
                scope.types[name] = kind
                scope.found.append((name, kind))
                told = True
        return told


def _exact(value: Array) -> bool:
    return value.size <= _SMALL and value.dtype.kind in "biu"


def _is_small(tensor: TensorProto) -> bool:
    return tensor.data_location != TensorProto.EXTERNAL and prod(tensor.dims) <= _SMALL


def _stays_small(node: NodeProto, given: list[Array | None]) -> bool:
    """False for what may be large, or is not the same in every runtime."""
    if node.op_type == "Constant":
        return all(
            attribute.type != AttributeProto.SPARSE_TENSOR
            and (attribute.type != AttributeProto.TENSOR or _is_small(attribute.t))
            for attribute in node.attribute
        )
    with np.errstate(all="ignore"):
        if node.op_type in {"ConstantOfShape", "Expand"}:
            shape = given[-1]
            return shape is not None and prod(int(size) for size in shape.ravel()) <= _SMALL
        if node.op_type == "Range":
            start, limit, step = (float(value) if value is not None else 0.0 for value in given)
            return step != 0 and (limit - start) / step <= _SMALL
        if node.op_type in {"Div", "Mod"}:
            # Some round towards zero, some down.
            first, second = given
            return bool(np.all(np.asarray(first) >= 0) and np.all(np.asarray(second) > 0))
    return True


def _of_branch(node: NodeProto, i: int, inner: Mapping[str, GraphProto], scope: _Scope) -> TypeProto | None:
    """Type of a result of an If whose condition is always the same."""
    condition = scope.values.get(node.input[0])
    if condition is None or condition.size != 1:
        return None
    branch = inner.get("then_branch" if condition.item() else "else_branch")
    if branch is None or i >= len(branch.output):
        return None
    kind = (scope.types | _types(branch)).get(branch.output[i].name)
    return kind if _ranked(kind) else None


def _of_rank(node: NodeProto, i: int, scope: _Scope) -> TypeProto | None:
    """Type of a result whose rank, but no size, is plain."""
    if not node.input:
        return None
    first = scope.types.get(node.input[0])
    known = scope.types.get(node.output[i])
    if node.domain == "ai.onnx.ml":
        return _of_learner(node, i, first)
    if node.domain not in {"", "ai.onnx"}:
        return None
    if node.op_type == "Dropout":
        # Its mask, before version 10 of the operators: onnx says nothing of it.
        return first if _ranked(first) else None
    rank = _plain_rank(node, _rank(first), _length(node, scope))
    if first is None or rank is None or (known is None and node.op_type not in _SAME_RANK):
        return None
    return _tensor_of_rank((known or first).tensor_type.elem_type, rank)


def _of_learner(node: NodeProto, i: int, first: TypeProto | None) -> TypeProto | None:
    """Type of a result of a classic learner, for which onnx infers nothing: floats, as the operators are defined."""
    if node.op_type in _FEATURES and first is not None and _ranked(first):
        kind = TypeProto()
        kind.CopyFrom(first)
        kind.tensor_type.elem_type = TensorProto.FLOAT
        return kind
    # One row for each input, one column for each class or target.
    scores = i == 1 if node.op_type in _CLASSIFIERS else i == 0 and node.op_type in _REGRESSORS
    return _tensor_of_rank(TensorProto.FLOAT, 2) if scores else None


def _tensor_of_rank(elem_type: int, rank: int) -> TypeProto:
    kind = TypeProto()
    kind.tensor_type.elem_type = elem_type
    kind.tensor_type.shape.SetInParent()
    for _ in range(rank):
        kind.tensor_type.shape.dim.add()
    return kind


def _length(node: NodeProto, scope: _Scope) -> int | None:
    """How many numbers the second input holds, None if that isn't known or there is none."""
    sizes = _sizes(scope.types.get(node.input[1])) if len(node.input) > 1 and node.input[1] else None
    return sizes[0] if sizes is not None and len(sizes) == 1 else None


def _plain_rank(node: NodeProto, rank: int | None, length: int | None) -> int | None:
    """The rank of a result, from the rank of the first input and the length of the second."""
    if node.op_type == "Reshape":
        return length
    if rank is None:
        return None
    if node.op_type in _SAME_RANK:
        return rank
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if node.op_type.startswith("Reduce"):
        if attributes.get("keepdims", 1):
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
