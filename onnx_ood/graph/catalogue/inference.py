"""Types of all values that a model computes, as far as they follow from the file.

onnx's inference stops at a shape that is computed, even from constants and known sizes, and at some operators
whose rank is obvious. Here such shapes are folded (`folding`) and such ranks filled in (`ranks`), and onnx infers
again. Operators that onnx does not know, of onnxruntime's own domains, are typed by onnxruntime, which is asked only
then. Nothing is guessed: a rank that depends on the values fed stays unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, TypeProto, shape_inference

from onnx_ood._runtime_types import runtime_types
from onnx_ood._types import Array
from onnx_ood.graph.catalogue.flatten import flatten
from onnx_ood.graph.catalogue.folding import Folder, stored_integers
from onnx_ood.graph.catalogue.order import execution_order
from onnx_ood.graph.catalogue.paths import graph_at
from onnx_ood.graph.catalogue.ranks import is_ranked, result_type
from onnx_ood.graph.catalogue.type_protos import has_element_type, types_in

# Initializers up to this many elements are kept (the target shape of a Reshape is one); of larger ones, the weights,
# only dtype and shape matter.
_MAX_KEPT_ELEMENTS = 1024
# Each round passes one more shape that is computed from a shape; files don't chain many.
_MAX_ROUNDS = 16


def infer_types(model: ModelProto) -> GraphProto:
    """Infer types at all depths.

    Args:
        model: The model, external data not loaded. It is not changed.

    Returns:
        A copy of its graph with types, without large weights. Nodes keep their positions; some that compute a shape
        have become constants.

    Raises:
        ModelError: If the main graph is not valid: a tensor computed twice, or a cycle.
    """
    nodes = list(model.graph.node)
    ordered = execution_order(nodes)
    graph = _inferred(without_weights(model, ordered))
    position = {id(node): i for i, node in enumerate(ordered)}
    typed = list(graph.node)
    del graph.node[:]
    graph.node.extend(typed[position[id(node)]] for node in nodes)
    return graph


def _inferred(model: ModelProto) -> GraphProto:
    """Infer the types of a model whose nodes are in execution order; the model is changed."""
    graph = _completed(model)
    if _all_typed(graph) or not _ask_runtime(model, graph):
        return graph
    return _completed(model)


def _ask_runtime(model: ModelProto, typed: GraphProto) -> bool:
    """Add the types that onnxruntime knows beyond onnx to a model; return whether there are any."""
    flat, places = flatten(model, typed)
    found = runtime_types(flat)
    for name, known in found.items():
        steps, own = places[name]
        graph_at(model.graph, steps).value_info.add(name=own).type.CopyFrom(known)
    return bool(found)


def _completed(model: ModelProto) -> GraphProto:
    """Infer types from what the file says; the model is changed."""
    graph = _infer_with_onnx(model)
    completion = _Completion(model)
    for _ in range(_MAX_ROUNDS):
        if _all_ranked(graph) or not completion.run(graph):
            break
        graph = _infer_with_onnx(model)
    return graph


def without_weights(model: ModelProto, nodes: Sequence[NodeProto]) -> ModelProto:
    """Copy a model with other nodes; large initializers become typed inputs, so that no weight is copied."""
    # Up to IR version 3 onnx ignores initializers that are not inputs as well; onnxruntime takes them.
    copy = ModelProto(ir_version=max(model.ir_version, 4))
    copy.opset_import.extend(model.opset_import)
    copy.functions.extend(model.functions)
    source, target = model.graph, copy.graph
    target.node.extend(nodes)
    target.input.extend(source.input)
    target.output.extend(source.output)
    target.value_info.extend(source.value_info)
    target.sparse_initializer.extend(source.sparse_initializer)
    declared = {value.name for value in source.input}
    for tensor in source.initializer:
        if tensor.data_location != TensorProto.EXTERNAL and prod(tensor.dims) <= _MAX_KEPT_ELEMENTS:
            target.initializer.append(tensor)
        elif tensor.name not in declared:
            value = target.input.add(name=tensor.name)
            value.type.tensor_type.elem_type = tensor.data_type
            value.type.tensor_type.shape.SetInParent()
            for size in tensor.dims:
                value.type.tensor_type.shape.dim.add(dim_value=size)
    return copy


def _infer_with_onnx(model: ModelProto) -> GraphProto:
    try:
        return shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception:
        # Types are optional: onnxruntime infers them again when it makes a session.
        return model.graph


def _subgraphs_by_attribute(node: NodeProto) -> dict[str, GraphProto]:
    return {entry.name: entry.g for entry in node.attribute if entry.type == AttributeProto.GRAPH}


def _all_ranked(graph: GraphProto) -> bool:
    types = types_in(graph)
    return all(
        all(is_ranked(types.get(name)) for name in node.output if name)
        and all(map(_all_ranked, _subgraphs_by_attribute(node).values()))
        for node in graph.node
    )


def _all_typed(graph: GraphProto) -> bool:
    types = types_in(graph)
    return all(
        all(has_element_type(types.get(name)) for name in node.output if name)
        and all(map(_all_typed, _subgraphs_by_attribute(node).values()))
        for node in graph.node
    )


@dataclass
class _Scope:
    """Known values and types at a node: those of its own graph and of the graphs around it.

    Attributes:
        values: Small tensors that are the same in every run.
        types: Types.
        found: Types of this graph's values beyond onnx's inference.
    """

    values: dict[str, Array]
    types: dict[str, TypeProto]
    found: dict[str, TypeProto] = field(default_factory=dict)

    def inside(self, body: GraphProto) -> _Scope:
        """Make the scope of a subgraph, whose own names hide outer ones."""
        hidden = {value.name for value in body.input} | {name for node in body.node for name in node.output}
        return _Scope(
            {name: value for name, value in self.values.items() if name not in hidden},
            {name: known for name, known in self.types.items() if name not in hidden} | types_in(body),
        )


class _Completion:
    """Adds folded constants and obvious ranks to a model."""

    def __init__(self, model: ModelProto) -> None:
        self._model = model
        self._folder = Folder([(entry.domain, entry.version) for entry in model.opset_import])

    def run(self, typed: GraphProto) -> bool:
        """Visit all nodes once.

        Args:
            typed: The model's graph with types.

        Returns:
            True if anything new was found.
        """
        try:
            return self._graph(self._model.graph, typed, _Scope({}, types_in(typed)))
        except Exception:
            return False  # A damaged file: keep what is known.

    def _graph(self, graph: GraphProto, typed: GraphProto, scope: _Scope) -> bool:
        new = False
        scope.values.update(stored_integers(graph))
        for node, typed_node in zip(graph.node, typed.node, strict=True):
            inner = _subgraphs_by_attribute(typed_node)
            for name, body in _subgraphs_by_attribute(node).items():
                new |= self._graph(body, inner[name], scope.inside(inner[name]))
            new |= self._folder.fold(node, scope.values, scope.types)
            for i, name in enumerate(node.output):
                found = result_type(node, i, inner, scope.values, scope.types) if name else None
                if found is not None:
                    scope.types[name] = scope.found[name] = found
                    new = True
        for name, found in scope.found.items():
            graph.value_info.add(name=name).type.CopyFrom(found)
        return new
