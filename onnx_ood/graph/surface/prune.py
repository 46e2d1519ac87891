"""Removing what no output needs."""

from __future__ import annotations

from onnx import ModelProto, NodeProto

from onnx_ood.graph.catalogue.functions import called, functions_of
from onnx_ood.graph.catalogue.order import execution_order, reads, subgraphs


def prune(model: ModelProto) -> None:
    """Removes nodes, weights, functions and type annotations that no output needs.

    Inputs stay declared, so that what could be fed to the model still can be; and the initializer of an input stays
    with it, or the input would have to be fed from now on. Graphs inside nodes are kept as they are.

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
    _keep(model.functions, [id_ in used for id_ in functions_of(model)])


def _keep(entries: object, wanted: list[bool]) -> None:
    # From behind: what stands before a deleted entry keeps its place.
    for i in range(len(wanted) - 1, -1, -1):
        if not wanted[i]:
            del entries[i]  # type: ignore[attr-defined]


def _used_functions(model: ModelProto) -> set[tuple[str, str, str]]:
    functions = functions_of(model)
    key_of = {id(function): key for key, function in functions.items()}
    used: set[tuple[str, str, str]] = set()
    waiting: list[NodeProto] = list(model.graph.node)
    while waiting:
        node = waiting.pop()
        for graph in subgraphs(node):
            waiting.extend(graph.node)
        function = called(node, functions)
        if function is not None and key_of[id(function)] not in used:
            used.add(key_of[id(function)])
            waiting.extend(function.node)
    return used
