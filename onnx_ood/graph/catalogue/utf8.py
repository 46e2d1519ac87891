"""Names in a model file that are not text.

protobuf hands over a string that is not valid UTF-8 as bytes, or raises when it is written elsewhere; both would show
far from the cause.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onnx import GraphProto, ModelProto, NodeProto

from onnx_ood.exceptions import ModelError
from onnx_ood.graph.catalogue.nodes import subgraphs


def check_texts(model: ModelProto) -> None:
    """Check that every name in a model is text. Symbols of sizes are left out: a damaged one does no harm.

    Args:
        model: The model.

    Raises:
        ModelError: If one is not valid UTF-8.
    """
    try:
        damaged = any(not isinstance(text, str) for text in _texts(model))
    except UnicodeDecodeError:
        damaged = True
    if damaged:
        raise ModelError("is damaged: a name in it is not valid UTF-8; export or fetch it again")


def _texts(model: ModelProto) -> Iterator[object]:
    yield from (model.producer_name, model.producer_version, model.domain)
    for entry in model.metadata_props:
        yield from (entry.key, entry.value)
    yield from (entry.domain for entry in model.opset_import)
    yield from _in_graph(model.graph)
    for function in model.functions:
        yield from (function.name, function.domain, function.overload)
        yield from (*function.input, *function.output, *function.attribute)
        yield from (entry.domain for entry in function.opset_import)
        yield from (attribute.name for attribute in function.attribute_proto)
        yield from _in_nodes(function.node)
        yield from (value.name for value in function.value_info)


def _in_graph(graph: GraphProto) -> Iterator[object]:
    yield graph.name
    for tensor in graph.initializer:
        yield tensor.name
    for sparse in graph.sparse_initializer:
        yield from (sparse.values.name, sparse.indices.name)
    for values in (graph.input, graph.output, graph.value_info):
        yield from (value.name for value in values)
    for annotation in graph.quantization_annotation:
        yield annotation.tensor_name
    yield from _in_nodes(graph.node)


def _in_nodes(nodes: Iterable[NodeProto]) -> Iterator[object]:
    for node in nodes:
        yield from (node.name, node.op_type, node.domain, node.overload)
        yield from node.input
        yield from node.output
        for attribute in node.attribute:
            yield attribute.name
            yield attribute.ref_attr_name
        for graph in subgraphs(node):
            yield from _in_graph(graph)
