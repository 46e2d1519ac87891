"""Nodes of a graph: their reads, definitions of names, and attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, helper

# Given to files without standard operators; every onnxruntime in use knows it.
_NEWEST_FREE_OPSET = 17
CONTRIB_DOMAIN = "com.microsoft"
"""Domain of onnxruntime's own operators, quantized ones among them."""


def is_standard(domain: str) -> bool:
    """Return whether a domain is the standard one, which has two spellings."""
    return domain in {"", "ai.onnx"}


def standard_opset(model: ModelProto) -> int:
    """Version of the standard operators in a model.

    A file that imports none (with operators of `ai.onnx.ml` alone) may be given any: the newest that its IR version
    allows.
    """
    stated = [entry.version for entry in model.opset_import if is_standard(entry.domain)]
    if stated:
        return stated[0]
    allowed = [
        version
        for (domain, version), ir_version in helper.OP_SET_ID_VERSION_MAP.items()
        if is_standard(domain) and ir_version <= model.ir_version and version <= _NEWEST_FREE_OPSET
    ]
    return max(allowed, default=1)


def qualified_op(node: NodeProto) -> str:
    """Operator type of a node, `domain::Type` outside the standard domain."""
    return node.op_type if is_standard(node.domain) else f"{node.domain}::{node.op_type}"


def attribute_values(node: NodeProto) -> dict[str, Any]:
    """Attributes of a node as Python values, by name; references to attributes of a call are left out."""
    return {
        attribute.name: helper.get_attribute_value(attribute)
        for attribute in node.attribute
        if not attribute.ref_attr_name
    }


def subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    """Yield the subgraphs held by a node's attributes (`If` branches, `Loop` and `Scan` bodies)."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == AttributeProto.GRAPHS:
            yield from attribute.graphs


def subgraph(node: NodeProto, attribute: str) -> GraphProto:
    """Return the subgraph in an attribute of a node: the graph itself, not a copy.

    Args:
        node: A node with that attribute.
        attribute: Name of the attribute.
    """
    return next(entry.g for entry in node.attribute if entry.name == attribute)


def reads(node: NodeProto) -> list[str]:
    """List the names that a node reads from its graph, captures of its subgraphs included.

    A name is repeated for each read, so the list also counts consumers.
    """
    names = [name for name in node.input if name]
    for graph in subgraphs(node):
        names.extend(_captured(graph))
    return names


def producers(nodes: Iterable[NodeProto]) -> dict[str, NodeProto]:
    """Map each tensor to the node that computes it."""
    return {name: node for node in nodes for name in node.output if name}


def stored_names(graph: GraphProto) -> set[str]:
    """Names of a graph's initializers."""
    return {tensor.name for tensor in graph.initializer} | {
        tensor.values.name for tensor in graph.sparse_initializer
    }


def defined_in(graph: GraphProto) -> set[str]:
    """Names that a graph defines itself; they hide the same names of the graphs around it."""
    own = {value.name for value in graph.input}
    own.update(stored_names(graph))
    own.update(name for node in graph.node for name in node.output)
    return own


def _captured(graph: GraphProto) -> list[str]:
    own = defined_in(graph)
    names = [name for node in graph.node for name in reads(node) if name not in own]
    # A branch may return an outer value unchanged.
    names.extend(value.name for value in graph.output if value.name not in own)
    return names
