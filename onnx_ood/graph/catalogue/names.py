"""Fresh names for rewriting, distinct from every name in a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onnx import GraphProto, ModelProto, NodeProto

from onnx_ood.graph.catalogue.nodes import stored_names, subgraphs

# Prefix of all added names. A model may use it too, if it has been rewritten before.
PREFIX = "__onnx_ood__/"


class Names:
    """The names of a model, and a source of fresh ones."""

    def __init__(self, model: ModelProto) -> None:
        """Collect every tensor name at any depth: an added name must not shadow one either."""
        self._taken = set(_graph_names(model.graph))
        for function in model.functions:
            self._taken.update(function.input)
            self._taken.update(_node_names(function.node))

    def fresh(self, base: str) -> str:
        """Make a name that nothing in the model has, and reserve it.

        Args:
            base: The part for people to read.

        Returns:
            The prefix and `base`, with a number appended if that is taken.
        """
        name, number = PREFIX + base, 1
        while name in self._taken:
            number += 1
            name = f"{PREFIX}{base}~{number}"
        self._taken.add(name)
        return name


def defined_names(nodes: Iterable[NodeProto]) -> Iterator[str]:
    """Yield the names that nodes and their subgraphs define, at any depth; names only read are left out."""
    for node in nodes:
        yield from (name for name in node.output if name)
        for graph in subgraphs(node):
            yield from (value.name for value in graph.input)
            yield from stored_names(graph)
            yield from defined_names(graph.node)


def _graph_names(graph: GraphProto) -> Iterator[str]:
    for values in (graph.input, graph.output, graph.value_info):
        yield from (value.name for value in values)
    yield from stored_names(graph)
    yield from _node_names(graph.node)


def _node_names(nodes: Iterable[NodeProto]) -> Iterator[str]:
    for node in nodes:
        yield from node.input
        yield from node.output
        for graph in subgraphs(node):
            yield from _graph_names(graph)
