"""Control flow laid out flat, so that one question to the runtime types the tensors at every depth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TypeProto

from onnx_ood.graph.catalogue.functions import rename_node
from onnx_ood.graph.catalogue.names import Names
from onnx_ood.graph.catalogue.nodes import defined_in, reads
from onnx_ood.graph.catalogue.order import execution_order
from onnx_ood.graph.catalogue.paths import Step
from onnx_ood.graph.catalogue.type_protos import has_element_type, types_in


class Place(NamedTuple):
    """Place in the original of a tensor of a flat model.

    Attributes:
        steps: Steps from the main graph to its graph.
        name: Its name there.
    """

    steps: tuple[Step, ...]
    name: str


def flatten(model: ModelProto, typed: GraphProto) -> tuple[ModelProto, dict[str, Place]]:
    """Copy a model with the nodes of all its subgraphs in the main graph, and tensors of unknown type as outputs.

    It computes nothing sensible, but each tensor has the type that it has in the original. Nodes that read arguments of
    unknown type are left out.

    Args:
        model: The model, its large weights declared as inputs; nodes of the main graph are in execution order.
        typed: Its graph with the types that are known; nodes are in the same positions.

    Returns:
        The flat model, and the place of each of its outputs.
    """
    flat = ModelProto()
    flat.CopyFrom(model)
    layout = _Layout(flat, Names(model))
    del flat.graph.node[:], flat.graph.output[:], flat.graph.value_info[:]
    layout.add(model.graph, typed, (), {}, {value.name for value in flat.graph.input})
    for name in layout.places:
        flat.graph.output.add(name=name)
    return flat, layout.places


class _Layout:
    def __init__(self, flat: ModelProto, names: Names) -> None:
        self.places: dict[str, Place] = {}
        self._flat, self._names = flat.graph, names
        self._available = {tensor.name for tensor in flat.graph.initializer}
        self._available |= {tensor.values.name for tensor in flat.graph.sparse_initializer}

    def add(
        self,
        graph: GraphProto,
        typed: GraphProto,
        steps: tuple[Step, ...],
        renamed: Mapping[str, str],
        inputs: set[str],
    ) -> None:
        """Add the nodes of a graph and of those inside; `renamed` gives the names that it sees, where they differ."""
        self._available |= inputs
        types = types_in(typed)
        nodes = list(graph.node)
        position = {id(node): i for i, node in enumerate(nodes)}
        for node in execution_order(nodes):
            i = position[id(node)]
            for attribute, typed_attribute in zip(node.attribute, typed.node[i].attribute, strict=False):
                if attribute.type == AttributeProto.GRAPH and typed_attribute.type == AttributeProto.GRAPH:
                    self._body(attribute.g, typed_attribute.g, (*steps, (i, attribute.name)), renamed)
            copy = NodeProto()
            copy.CopyFrom(node)
            copy.name = ""
            rename_node(copy, renamed)
            if not self._available.issuperset(reads(copy)):
                continue
            self._flat.node.append(copy)
            self._available.update(copy.output)
            for name, own in zip(copy.output, node.output, strict=True):
                if name and not has_element_type(types.get(own)):
                    self.places[name] = Place(steps, own)

    def _body(
        self, body: GraphProto, typed: GraphProto, steps: tuple[Step, ...], renamed: Mapping[str, str]
    ) -> None:
        own = {name: self._names.fresh(name) for name in sorted(defined_in(body)) if name}
        types: dict[str, TypeProto] = types_in(typed)
        arguments = set()
        for value in body.input:
            known = types.get(value.name)
            if has_element_type(known):
                self._flat.input.add(name=own[value.name]).type.CopyFrom(known)
                arguments.add(own[value.name])
        for tensor in body.initializer:
            copy = self._flat.initializer.add()
            copy.CopyFrom(tensor)
            copy.name = own[tensor.name]
            arguments.add(copy.name)
        self.add(body, typed, steps, {**renamed, **own}, arguments)
