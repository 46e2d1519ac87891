"""Model-local functions: calls, operator sets, and bodies with arguments bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto

from onnx_ood.graph.catalogue.names import Names, defined_names
from onnx_ood.graph.catalogue.nodes import is_standard, subgraphs

# Domain, name and overload.
FunctionKey: TypeAlias = tuple[str, str, str]


def called_key(node: NodeProto) -> FunctionKey:
    """Key of the operator or function that a node instantiates."""
    return _normalized(node.domain), node.op_type, node.overload


def functions_of(model: ModelProto) -> dict[FunctionKey, FunctionProto]:
    """Model-local functions by key."""
    return {
        (_normalized(function.domain), function.name, function.overload): function
        for function in model.functions
    }


def called(node: NodeProto, functions: Mapping[FunctionKey, FunctionProto]) -> FunctionProto | None:
    """Find the function that a node calls; None for an operator."""
    return functions.get(called_key(node)) if functions else None


def opset_conflict(function: FunctionProto, model: ModelProto) -> str | None:
    """Explain why a function cannot be expanded (another operator set version); None if it can."""
    versions = {_normalized(entry.domain): entry.version for entry in model.opset_import}
    for entry in function.opset_import:
        version = versions.get(_normalized(entry.domain), entry.version)
        if version != entry.version:
            return (
                f"is inside function {function.name!r}, which is written for version {entry.version} of the "
                f"{_normalized(entry.domain) or 'standard'} operators while the model has {version}"
            )
    return None


def import_opsets(function: FunctionProto, model: ModelProto) -> None:
    """Add the operator sets of a function to those of the model."""
    known = {_normalized(entry.domain) for entry in model.opset_import}
    for entry in function.opset_import:
        if _normalized(entry.domain) not in known:
            model.opset_import.add(domain=entry.domain, version=entry.version)


def body_of_call(
    function: FunctionProto, call: NodeProto, path: str, names: Names
) -> tuple[list[NodeProto], dict[str, str]]:
    """Expand one call into nodes of the calling graph.

    Args:
        function: The function.
        call: The node that calls it.
        path: Scoped path of the call, the base of fresh names.
        names: Source of fresh names.

    Returns:
        The nodes, in the function's order, and the new names by the function's own.
    """
    # Missing trailing arguments and results count as empty names.
    arguments = [*call.input, *[""] * len(function.input)]
    results = [*call.output, *[""] * len(function.output)]
    renamed = dict(zip(function.input, arguments, strict=False))
    computed = set(defined_names(function.node))
    nodes = []
    for formal, actual in zip(function.output, results, strict=False):
        if formal in computed:
            renamed[formal] = actual or names.fresh(f"{path}/{formal}")
        elif actual:
            # An argument returned unchanged.
            nodes.append(NodeProto(op_type="Identity", input=[renamed.get(formal, "")], output=[actual]))
    for name in sorted(computed - renamed.keys()):
        renamed[name] = names.fresh(f"{path}/{name}")
    attributes = {attribute.name: attribute for attribute in function.attribute_proto}
    attributes.update({attribute.name: attribute for attribute in call.attribute})
    body = []
    for node in function.node:
        copy = NodeProto()
        copy.CopyFrom(node)
        if copy.name:
            copy.name = f"{path}/{copy.name}"
        rename_node(copy, renamed)
        _bind(copy, attributes)
        body.append(copy)
    return [*body, *nodes], renamed


def rename_node(node: NodeProto, renamed: Mapping[str, str]) -> None:
    """Rename what a node reads and computes, in its subgraphs too.

    Args:
        node: The node; it is changed.
        renamed: New names by the old.
    """
    _rename(node.input, renamed)
    _rename(node.output, renamed)
    for graph in subgraphs(node):
        _rename_graph(graph, renamed)


def _rename(entries: object, renamed: Mapping[str, str]) -> None:
    for i, name in enumerate(entries):  # type: ignore[arg-type, var-annotated]
        entries[i] = renamed.get(name, name)  # type: ignore[index]


def _rename_graph(graph: GraphProto, renamed: Mapping[str, str]) -> None:
    for values in (graph.input, graph.output, graph.value_info):
        for value in values:
            value.name = renamed.get(value.name, value.name)
    for tensor in graph.initializer:
        tensor.name = renamed.get(tensor.name, tensor.name)
    for sparse in graph.sparse_initializer:
        sparse.values.name = renamed.get(sparse.values.name, sparse.values.name)
    for node in graph.node:
        rename_node(node, renamed)


def _bind(node: NodeProto, attributes: Mapping[str, AttributeProto]) -> None:
    """Replace references to attributes of the call by their values; attributes without a value are removed."""
    bound: Sequence[AttributeProto] = list(node.attribute)
    for attribute in bound:
        if not attribute.ref_attr_name and attribute.type == AttributeProto.GRAPH:
            for inner in attribute.g.node:
                _bind(inner, attributes)
    if any(attribute.ref_attr_name for attribute in bound):
        copies = []
        for attribute in bound:
            copy = AttributeProto()
            value = attributes.get(attribute.ref_attr_name) if attribute.ref_attr_name else attribute
            if value is not None:
                copy.CopyFrom(value)
                copy.name = attribute.name
                copies.append(copy)
        del node.attribute[:]
        node.attribute.extend(copies)


def _normalized(domain: str) -> str:
    return "" if is_standard(domain) else domain
