"""Names that rewriting adds to a model, and how none of them can be one that the model has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onnx import GraphProto, ModelProto, NodeProto

from onnx_ood.graph.catalogue.order import subgraphs

# Every name that rewriting adds starts with it. A model may use it too: it may have been rewritten before.
PREFIX = "__onnx_ood__/"


class Names:
    """The names of a model, and fresh ones beside them."""

    def __init__(self, model: ModelProto) -> None:
        """Collects every tensor name at any depth: an added name must not shadow one either."""
        self._taken = set(_names(model.graph))
        for function in model.functions:
            self._taken.update(function.input)
            self._taken.update(_node_names(function.node))

    def fresh(self, base: str) -> str:
        """A name with the reserved prefix that nothing in the model has.

        Args:
            base: What the name should say to people.

        Returns:
            The prefix and `base`, with a number behind it if that is taken. It is taken from now on.
        """
        name, number = PREFIX + base, 1
        while name in self._taken:
            number += 1
            name = f"{PREFIX}{base}~{number}"
        self._taken.add(name)
        return name


def defined_names(nodes: Iterable[NodeProto]) -> Iterator[str]:
    """Yields what nodes compute and what their subgraphs define, at any depth; what is only read is left out."""
    for node in nodes:
        yield from (name for name in node.output if name)
        for graph in subgraphs(node):
            yield from (value.name for value in graph.input)
            yield from (tensor.name for tensor in graph.initializer)
            yield from (sparse.values.name for sparse in graph.sparse_initializer)
            yield from defined_names(graph.node)


def _names(graph: GraphProto) -> Iterator[str]:
    for values in (graph.input, graph.output, graph.value_info):
        yield from (value.name for value in values)
    yield from (tensor.name for tensor in graph.initializer)
    yield from (sparse.values.name for sparse in graph.sparse_initializer)
    yield from _node_names(graph.node)


def _node_names(nodes: Iterable[NodeProto]) -> Iterator[str]:
    for node in nodes:
        yield from node.input
        yield from node.output
        for graph in subgraphs(node):
            yield from _names(graph)
