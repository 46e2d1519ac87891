"""Execution order of a graph's nodes, and what each node reads."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator, Sequence

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto

from onnx_ood.exceptions import ModelError

# What they give says how large something is, whatever it holds.
_SIZE_OPS = frozenset({"Shape", "Size"})


def subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    """Yields the subgraphs held by a node's attributes (`If` branches, `Loop` and `Scan` bodies)."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == AttributeProto.GRAPHS:
            yield from attribute.graphs


def reads(node: NodeProto) -> list[str]:
    """Names that a node reads from the scope it stands in, captures of its subgraphs included.

    A name is listed as often as it is read, so that the list also counts consumers.
    """
    names = [name for name in node.input if name]
    for graph in subgraphs(node):
        names.extend(_captured(graph))
    return names


def stored_names(graph: GraphProto) -> set[str]:
    """Names of a graph's initializers."""
    return {tensor.name for tensor in graph.initializer} | {
        tensor.values.name for tensor in graph.sparse_initializer
    }


def defined_in(graph: GraphProto) -> set[str]:
    """Names that a graph gives a meaning itself, so that they mean nothing of the graph around it."""
    own = {value.name for value in graph.input}
    own.update(stored_names(graph))
    own.update(name for node in graph.node for name in node.output)
    return own


def _captured(graph: GraphProto) -> list[str]:
    own = defined_in(graph)
    names = [name for node in graph.node for name in reads(node) if name not in own]
    # A branch may hand an outer value straight back as its output.
    names.extend(value.name for value in graph.output if value.name not in own)
    return names


def execution_order(nodes: Sequence[NodeProto]) -> list[NodeProto]:
    """Sorts nodes so that each comes after those it reads from.

    The sort is stable: a list that is already in order, as the ONNX specification asks for, comes
    back unchanged, so that "third-last Conv" means the third-last that the exporter traced.

    Args:
        nodes: The nodes of one graph, in file order.

    Returns:
        The same nodes in execution order.

    Raises:
        ModelError: If a tensor is computed twice, or nodes wait for each other in a circle.
    """
    producer: dict[str, int] = {}
    for i, node in enumerate(nodes):
        for name in node.output:
            if name and name in producer:
                raise ModelError(f"tensor {name!r} is computed twice: the file is not valid ONNX")
            producer[name] = i
    waiting_for: list[set[int]] = [
        {producer[name] for name in reads(node) if name in producer} for node in nodes
    ]
    released_by: defaultdict[int, list[int]] = defaultdict(list)
    for i, sources in enumerate(waiting_for):
        for source in sources:
            released_by[source].append(i)
    missing = [len(sources) for sources in waiting_for]
    ready = [i for i, count in enumerate(missing) if count == 0]
    heapq.heapify(ready)
    ordered: list[NodeProto] = []
    while ready:
        i = heapq.heappop(ready)
        ordered.append(nodes[i])
        for follower in released_by[i]:
            missing[follower] -= 1
            if missing[follower] == 0:
                heapq.heappush(ready, follower)
    if len(ordered) < len(nodes):
        stuck = next(node for node, count in zip(nodes, missing, strict=True) if count)
        raise ModelError(
            f"node {stuck.name or stuck.op_type!r} waits for its own result: the file is not valid ONNX"
        )
    return ordered


def sizes_only(model: ModelProto) -> frozenset[str]:
    """Names of the tensors of the main graph that depend on inputs through their sizes alone.

    Args:
        model: The model.

    Returns:
        What is computed from `Shape` and `Size`, and never meets a value.
    """
    holds_data = {value.name for value in model.graph.input} - stored_names(model.graph)
    holds_sizes: set[str] = set()
    for node in execution_order(model.graph.node):
        read = set(reads(node))
        if node.op_type not in _SIZE_OPS and not holds_data.isdisjoint(read):
            holds_data.update(node.output)
        elif not read.isdisjoint(holds_data | holds_sizes):
            holds_sizes.update(name for name in node.output if name)
    return frozenset(holds_sizes)


def dependents(order: Sequence[NodeProto], name: str) -> set[str]:
    """Names of the tensors that a tensor has an influence on.

    Args:
        order: The nodes of its graph in execution order.
        name: The tensor.

    Returns:
        Every tensor computed from it, directly or not; not the tensor itself.
    """
    reached = {name}
    for node in order:
        if not reached.isdisjoint(reads(node)):
            reached.update(output for output in node.output if output)
    return reached - {name}
