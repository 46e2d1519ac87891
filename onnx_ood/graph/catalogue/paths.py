"""Scoped paths: how tensors inside control flow and functions are named and located.

A path such as `node/then_branch/value` leads from node to node. A node without a unique name goes by its operator and
its position in its graph, `If_3`. Tensors of a function exist once for each call, `call/Function/value`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from onnx import GraphProto, NodeProto

from onnx_ood.graph.catalogue.nodes import subgraph

# In a `Step`, marks a function where a subgraph has the name of its attribute.
CALL = ""

# From a graph to one inside it: index of the node, and the attribute that holds the graph.
Step: TypeAlias = tuple[int, str]


def node_labels(nodes: Sequence[NodeProto]) -> list[str]:
    """Label the nodes of one graph for scoped paths: the name if it is unique, else operator and position."""
    labels: list[str] = []
    taken: set[str] = {node.name for node in nodes}
    seen: set[str] = set()
    for i, node in enumerate(nodes):
        label = node.name
        if not label or label in seen:
            label = f"{node.op_type}_{i}"
            while label in taken:
                label += "_"
            taken.add(label)
        seen.add(label)
        labels.append(label)
    return labels


def graph_at(graph: GraphProto, steps: Sequence[Step]) -> GraphProto:
    """Follow steps into subgraphs; no step may lead into a function."""
    for i, attribute in steps:
        graph = subgraph(graph.node[i], attribute)
    return graph
