"""Removing the parts of a model that no output needs."""

from __future__ import annotations

from onnx import ModelProto, NodeProto

from onnx_ood.graph.catalogue.functions import FunctionKey, called_key, functions_of
from onnx_ood.graph.catalogue.nodes import reads, subgraphs
from onnx_ood.graph.catalogue.order import execution_order


def prune(model: ModelProto) -> None:
    """Remove nodes, weights, functions and type annotations that no output needs.

    All inputs stay declared, so that the same values can be fed, and keep their initializers, so that none must be fed.
    Subgraphs are kept whole.

    Args:
        model: The model; it is changed. Its nodes keep their order.
    """
    graph = model.graph
    nodes = list(graph.node)
    needed = {value.name for value in graph.output}
    kept: set[int] = set()
    for node in reversed(execution_order(nodes)):
        if any(name in needed for name in node.output):
            kept.add(id(node))
            needed.update(reads(node))
    _keep(graph.node, [id(node) in kept for node in nodes])
    named = needed | {value.name for value in graph.input}
    _keep(graph.initializer, [tensor.name in named for tensor in graph.initializer])
    _keep(graph.sparse_initializer, [tensor.values.name in named for tensor in graph.sparse_initializer])
    present = named | {name for node in graph.node for name in node.output}
    _keep(graph.value_info, [value.name in present for value in graph.value_info])
    _keep(
        graph.quantization_annotation,
        [entry.tensor_name in present for entry in graph.quantization_annotation],
    )
    used = _used_functions(model)
    _keep(model.functions, [key in used for key in functions_of(model)])


def _keep(entries: object, wanted: list[bool]) -> None:
    # Backwards: deleting an entry moves only those after it.
    for i in range(len(wanted) - 1, -1, -1):
        if not wanted[i]:
            del entries[i]  # type: ignore[attr-defined]


def _used_functions(model: ModelProto) -> set[FunctionKey]:
    functions = functions_of(model)
    used: set[FunctionKey] = set()
    waiting: list[NodeProto] = list(model.graph.node)
    while waiting:
        node = waiting.pop()
        for graph in subgraphs(node):
            waiting.extend(graph.node)
        key = called_key(node)
        if key in functions and key not in used:
            used.add(key)
            waiting.extend(functions[key].node)
    return used
