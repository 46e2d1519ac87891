"""Hoisting: passing tensors out of control flow into the main graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from onnx import GraphProto, NodeProto, TensorProto, TypeProto, helper

from onnx_ood.graph.catalogue.names import Names
from onnx_ood.graph.catalogue.nodes import subgraph
from onnx_ood.graph.catalogue.output_plans import Exit, OutputPlan
from onnx_ood.graph.catalogue.paths import Step
from onnx_ood.graph.catalogue.type_protos import (
    cast_type,
    declarable_type,
    kind_of,
    sequence_type,
    stacked_type,
    unsized_type,
)


@dataclass(frozen=True, slots=True)
class TensorLocation:
    """A tensor in the proto being rewritten. Made before any change, so that no index goes stale.

    Attributes:
        path: Its scoped path.
        graphs: The graphs around it, the main graph first.
        holders: The nodes that hold all but the first of them, outermost first.
        attributes: The attributes that hold them.
        local: Its name in the last of the graphs.
        type: Its type, None if unknown.
        steps: Steps from the main graph, as they were when it was located.
    """

    path: str
    graphs: tuple[GraphProto, ...]
    holders: tuple[NodeProto, ...]
    attributes: tuple[str, ...]
    local: str
    type: TypeProto | None
    steps: tuple[Step, ...] = ()


def locate(
    graph: GraphProto, path: str, steps: Sequence[Step], local: str, type_proto: TypeProto | None
) -> TensorLocation:
    """Locate a tensor in a proto.

    Args:
        graph: The main graph.
        path: The tensor's scoped path.
        steps: Steps to its graph; none may lead into a function.
        local: Its name there.
        type_proto: Its type.
    """
    graphs, holders = [graph], []
    for i, attribute in steps:
        holders.append(graphs[-1].node[i])
        graphs.append(subgraph(holders[-1], attribute))
    attributes = tuple(attribute for _, attribute in steps)
    return TensorLocation(path, tuple(graphs), tuple(holders), attributes, local, type_proto, tuple(steps))


def add_cast(graph: GraphProto, name: str, type_proto: TypeProto | None, path: str, names: Names) -> str:
    """Add a cast of a tensor if numpy cannot hold it.

    Args:
        graph: The graph of the tensor; it is changed if a cast is needed.
        name: The tensor.
        type_proto: Its type.
        path: Base of the fresh name.
        names: Source of fresh names.

    Returns:
        Name of the cast copy, or `name` itself if numpy can hold it.
    """
    target = cast_type(type_proto)
    if target is None:
        return name
    cast = names.fresh(path)
    node = graph.node.add(op_type="Cast", name=cast, input=[name], output=[cast])
    node.attribute.append(helper.make_attribute("to", target.tensor_type.elem_type))
    return cast


# Names of the inputs and outputs of each graph, by the steps to it.
Declared: TypeAlias = dict[tuple[Step, ...], set[str]]


def hoist(location: TensorLocation, plan: OutputPlan, names: Names, declared: Declared | None = None) -> str:
    """Pass a tensor out into the main graph.

    Args:
        location: The tensor; its proto is changed.
        plan: How it leaves each graph.
        names: Source of fresh names.
        declared: Kept from call to call for one proto, empty at first, so that no graph is read for each tensor.

    Returns:
        Name of the tensor in the main graph that holds its values.
    """
    return _Hoist(location, plan, names, {} if declared is None else declared).run()


class _Hoist:
    """One tensor being hoisted. Levels count from the innermost graph."""

    def __init__(self, location: TensorLocation, plan: OutputPlan, names: Names, declared: Declared) -> None:
        self._location, self._names, self._declared = location, names, declared
        self._exits = plan.exits
        innermost = location.graphs[-1]
        self._current = add_cast(innermost, location.local, location.type, f"{location.path}@cast", names)
        self._type = cast_type(location.type) or location.type
        # By level, the name inside the body of the sequence collected so far.
        self._so_far = {
            level: names.fresh(f"{location.path}@{level}so_far")
            for level, exit_ in enumerate(self._exits)
            if exit_ is Exit.COLLECT
        }

    def run(self) -> str:
        """Leave the graphs one by one, innermost first; return the name in the main graph."""
        count = len(self._exits)
        for level, exit_ in enumerate(self._exits):
            holder = self._location.holders[count - 1 - level]
            graph = self._location.graphs[count - level]
            suffix = "" if level == count - 1 else f"@{level}"
            outer = self._names.fresh(f"{self._location.path}{suffix}")
            if exit_ is Exit.BRANCH:
                self._leave_branch(level, holder, graph, outer)
            elif exit_ is Exit.COLLECT:
                self._collect(level, holder, graph, outer)
            else:
                _name_unused_outputs(holder, graph, self._names)
                self._export(level, len(graph.output))
                holder.output.append(outer)
                _extend_scan(holder)
                self._type = stacked_type(self._type)
            self._current = outer
        return self._current

    def _leave_branch(self, level: int, holder: NodeProto, graph: GraphProto, outer: str) -> None:
        """Add a result to an If; the other branch returns an empty value of the same type."""
        attribute = self._location.attributes[len(self._exits) - 1 - level]
        other = subgraph(holder, "else_branch" if attribute == "then_branch" else "then_branch")
        assert self._type is not None
        _name_unused_outputs(holder, graph, self._names)
        self._export(level, len(graph.output))
        empty = self._names.fresh(f"{self._location.path}@{level}not_taken")
        so_far = self._collected_outside(level)
        if so_far and kind_of(self._type) == "sequence_type" and Exit.COLLECT in self._exits[:level]:
            # Not taken in this iteration of the outer Loop: the sequence stays as it is.
            other.node.add(op_type="Identity", input=[so_far], output=[empty])
        else:
            other.node.append(_empty(self._type, empty))
        self._type = unsized_type(self._type)
        _declare(other, empty, self._type, len(other.output))
        holder.output.append(outer)

    def _collect(self, level: int, holder: NodeProto, body: GraphProto, outer: str) -> None:
        """Add a state to a Loop: a sequence that grows by one tensor per iteration."""
        so_far = self._so_far[level]
        if Exit.COLLECT not in self._exits[:level]:
            assert self._type is not None
            longer = self._names.fresh(f"{self._location.path}@{level}longer")
            body.node.add(op_type="SequenceInsert", input=[so_far, self._current], output=[longer])
            self._current, self._type = longer, sequence_type(self._type.tensor_type.elem_type)
        value = body.input.add(name=so_far)
        if (steps := self._location.steps[: len(self._exits) - level]) in self._declared:
            self._declared[steps].add(so_far)
        assert self._type is not None
        value.type.CopyFrom(self._type)
        # Results of a Loop are its states, then its stacks; its inputs begin with trip count and condition.
        _name_unused_outputs(holder, body, self._names)
        states = len(holder.input) - 2
        self._export(level, 1 + states)
        holder.output.insert(states, outer)
        before = self._collected_outside(level)
        if not before:
            before = self._names.fresh(f"{self._location.path}@{level}start")
            # First in the graph around the Loop: it reads nothing, and the Loop has to come after it.
            around = self._location.graphs[len(self._exits) - 1 - level]
            around.node.insert(0, _empty(self._type, before))
        holder.input.append(before)

    def _collected_outside(self, level: int) -> str:
        """Name of the sequence collected so far in the next Loop outside, empty if there is none."""
        outside = [further for further in self._so_far if further > level]
        return self._so_far[min(outside)] if outside else ""

    def _export(self, level: int, position: int) -> None:
        """Make the current tensor a result of the graph at a level."""
        depth = len(self._exits) - level
        graph, steps = self._location.graphs[depth], self._location.steps[:depth]
        if steps not in self._declared:
            self._declared[steps] = {value.name for values in (graph.output, graph.input) for value in values}
        name = self._current
        if name in self._declared[steps]:
            # It is a result already, at another position.
            copy = self._names.fresh(f"{self._location.path}@copy")
            graph.node.add(op_type="Identity", input=[name], output=[copy])
            name = copy
        self._declared[steps].add(name)
        _declare(graph, name, self._type, position)


def _declare(graph: GraphProto, name: str, type_proto: TypeProto | None, position: int) -> None:
    value = helper.make_empty_tensor_value_info(name)
    if type_proto is not None:
        value.type.CopyFrom(declarable_type(type_proto))
    graph.output.insert(position, value)


def _name_unused_outputs(holder: NodeProto, body: GraphProto, names: Names) -> None:
    """Name trailing results that the file leaves out, so that further ones can follow."""
    # The first result of a Loop's body is the condition, not a result of the Loop.
    results = len(body.output) - (holder.op_type == "Loop")
    while len(holder.output) < results:
        holder.output.append(names.fresh(f"{holder.op_type}@unused"))


def _extend_scan(holder: NodeProto) -> None:
    """Extend the attributes that have one entry per stacked result."""
    for attribute in holder.attribute:
        if attribute.name in {"scan_output_axes", "scan_output_directions"}:
            attribute.ints.append(0)


def _empty(type_proto: TypeProto, name: str) -> NodeProto:
    """Make a node that returns an empty value of a type."""
    kind = kind_of(type_proto)
    if kind == "sequence_type":
        elem_type = type_proto.sequence_type.elem_type.tensor_type.elem_type
        return helper.make_node("SequenceEmpty", [], [name], dtype=elem_type)
    if kind == "optional_type":
        return helper.make_node("Optional", [], [name], type=type_proto.optional_type.elem_type)
    rank = len(type_proto.tensor_type.shape.dim) if type_proto.tensor_type.HasField("shape") else 1
    nothing = TensorProto(data_type=type_proto.tensor_type.elem_type, dims=[0] * max(rank, 1))
    return helper.make_node("Constant", [], [name], value=nothing)
