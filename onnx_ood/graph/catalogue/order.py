"""Execution order of a graph's nodes, and what follows from it."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence

from onnx import ModelProto, NodeProto

from onnx_ood.exceptions import ModelError
from onnx_ood.graph.catalogue.nodes import reads, stored_names

# Their results depend on the shape of their input alone.
_SIZE_OPS = frozenset({"Shape", "Size"})


def execution_order(nodes: Sequence[NodeProto]) -> list[NodeProto]:
    """Sort nodes topologically.

    The sort is stable: a list already in order, as the ONNX specification requires, comes back unchanged, so
    "third-last Conv" means the third-last in the order of the exporter.

    Args:
        nodes: Nodes of one graph, in file order.

    Returns:
        The same nodes in execution order.

    Raises:
        ModelError: If a tensor is computed twice, or the graph has a cycle.
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
            f"node {stuck.name or stuck.op_type!r} depends on its own result: the file is not valid ONNX"
        )
    return ordered


def sizes_only(model: ModelProto) -> frozenset[str]:
    """Find the tensors of the main graph that depend on the shapes of inputs, not on their values.

    Args:
        model: The model.

    Returns:
        Names of tensors computed from results of `Shape` and `Size` without any data.
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
    """Find the tensors that depend on a tensor, directly or not.

    Args:
        order: Nodes of its graph in execution order.
        name: The tensor.

    Returns:
        Names of the dependent tensors, without the tensor itself.
    """
    reached = {name}
    for node in order:
        if not reached.isdisjoint(reads(node)):
            reached.update(output for output in node.output if output)
    return reached - {name}
