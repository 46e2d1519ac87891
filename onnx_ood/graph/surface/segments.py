"""Splitting a model into parts that run one after the other, so that the outputs of each part stay small."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from onnx import ModelProto, NodeProto, TypeProto

from onnx_ood.graph.catalogue.nodes import reads, stored_names
from onnx_ood.graph.catalogue.order import execution_order
from onnx_ood.graph.surface.cut import constants_of, copy_stored
from onnx_ood.graph.surface.open_site import declare_values


@dataclass(frozen=True)
class Segment:
    """One part of a model.

    Attributes:
        proto: The part as a model with inputs `takes` and outputs `gives`.
        takes: Tensors of earlier parts and inputs of the model that it reads, in order of first use.
        gives: Requested tensors that it computes, and those that later parts read, in execution order.
    """

    proto: ModelProto
    takes: tuple[str, ...]
    gives: tuple[str, ...]


class Splitter:
    """Splits one model in any number of ways."""

    def __init__(self, model: ModelProto, wanted: Sequence[str], types: Mapping[str, TypeProto]) -> None:
        """Find the nodes that the requested tensors need.

        Args:
            model: The model; it is not changed, and external weights are not read.
            wanted: Tensors of the main graph requested in every run.
            types: Known types of the main graph's tensors.
        """
        self._model, self._types = model, types
        self._order = execution_order(model.graph.node)
        self._stored = stored_names(model.graph)
        self._inputs = {value.name: value for value in model.graph.input if value.name not in self._stored}
        self._constants = constants_of(self._order, self._stored)
        self._wanted = dict.fromkeys(wanted)
        needed = set(self._wanted)
        self._needed: list[NodeProto] = []
        for node in reversed(self._order):
            if not needed.isdisjoint(node.output):
                self._needed.append(node)
                needed.update(reads(node))
        self._needed.reverse()

    @property
    def wanted(self) -> tuple[str, ...]:
        """The requested tensors in execution order."""
        return tuple(name for node in self._needed for name in node.output if name in self._wanted)

    @property
    def unneeded(self) -> float:
        """Fraction of the model's nodes that no requested tensor needs."""
        return 1 - len(self._needed) / max(len(self._order), 1)

    def cuts(self) -> dict[str, int]:
        """List the requested tensors after which the model can be split.

        Returns:
            Number of tensors that cross each cut, by name of the requested tensor, in execution order. Cuts crossed
            by anything but a tensor of known element type are left out.
        """
        last_read = {name: i for i, node in enumerate(self._needed) for name in reads(node)}
        open_until: dict[str, int] = {}
        found: dict[str, int] = {}
        for i, node in enumerate(self._needed[:-1]):
            open_until.update(
                {
                    name: last_read[name]
                    for name in node.output
                    if name in last_read and name not in self._constants
                }
            )
            crossing = [name for name, last in open_until.items() if last > i]
            if all(self._has_type(name) for name in crossing):
                found.update((name, len(crossing)) for name in node.output if name in self._wanted)
        return found

    def segments(
        self, after: Collection[str], outputs: Sequence[str] = ()
    ) -> tuple[list[Segment], Segment | None]:
        """Split the model.

        Args:
            after: Requested tensors to split after, from `cuts`.
            outputs: Further tensors, not needed in every run.

        Returns:
            The parts that compute the requested tensors, in order; and a last part with what else `outputs` needs,
            None if nothing.
        """
        ranges: list[list[NodeProto]] = [[]]
        for node in self._needed:
            ranges[-1].append(node)
            if not set(after).isdisjoint(node.output):
                ranges.append([])
        ranges = [nodes for nodes in ranges if nodes]
        rest = self._rest(set(outputs))
        parts = [self._with_constants(nodes) for nodes in [*ranges, *([rest] if rest else [])]]
        read_by = [self._takes(nodes) for nodes in parts]
        segments = []
        for i, nodes in enumerate(parts):
            later = {name for takes in read_by[i + 1 :] for name in takes}
            own = ranges[i] if i < len(ranges) else rest
            requested = later | self._wanted.keys() | set(outputs)
            gives = tuple(name for node in own for name in node.output if name in requested)
            segments.append(self._segment(nodes, read_by[i], gives))
        return segments[: len(ranges)], segments[-1] if rest else None

    def _rest(self, outputs: set[str]) -> list[NodeProto]:
        """Nodes that only `outputs` need, in execution order."""
        done = {id(node) for node in self._needed}
        needed = set(outputs)
        rest = []
        for node in reversed(self._order):
            if id(node) not in done and not needed.isdisjoint(node.output):
                rest.append(node)
                needed.update(reads(node))
        rest.reverse()
        return rest

    def _with_constants(self, nodes: Sequence[NodeProto]) -> list[NodeProto]:
        """Add earlier nodes that compute constants for a part."""
        chosen = {id(node) for node in nodes}
        needed = {name for node in nodes for name in reads(node)}
        for node in reversed(self._order):
            if id(node) not in chosen and needed & self._constants.intersection(node.output):
                chosen.add(id(node))
                needed.update(reads(node))
        return [node for node in self._order if id(node) in chosen]

    def _takes(self, nodes: Sequence[NodeProto]) -> tuple[str, ...]:
        computed = {name for node in nodes for name in node.output}
        read = dict.fromkeys(name for node in nodes for name in reads(node))
        return tuple(name for name in read if name not in computed | self._stored)

    def _segment(self, nodes: Sequence[NodeProto], takes: tuple[str, ...], gives: tuple[str, ...]) -> Segment:
        source = self._model.graph
        part = ModelProto(ir_version=self._model.ir_version, producer_name=self._model.producer_name)
        part.opset_import.extend(self._model.opset_import)
        part.functions.extend(self._model.functions)
        part.graph.name = "part"
        part.graph.node.extend(nodes)
        for name in takes:
            if name in self._inputs:
                part.graph.input.append(self._inputs[name])
            else:
                declare_values(part, name, self._types[name])
        for name in gives:
            part.graph.output.add(name=name)
        copy_stored(source, part.graph, {name for node in nodes for name in reads(node)})
        return Segment(part, takes, gives)

    def _has_type(self, name: str) -> bool:
        known = self._types.get(name)
        return known is not None and known.tensor_type.elem_type != 0
