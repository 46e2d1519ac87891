"""Handing tensors out of control flow: the rewriting itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onnx import GraphProto, NodeProto, TensorProto, TypeProto, helper

from onnx_ood.graph.catalogue.names import Names
from onnx_ood.graph.catalogue.nested import subgraph
from onnx_ood.graph.catalogue.output_plan import (
    BRANCH,
    COLLECT,
    OutputPlan,
    any_size,
    carried,
    sequence_of,
    stacked,
)


@dataclass(frozen=True, slots=True)
class TensorLocation:
    """A tensor in the proto that is rewritten. Made before anything is, so that no index goes stale.

    Attributes:
        path: Its scoped path.
        graphs: The graphs around it, the main graph first.
        holders: The nodes that hold them, one fewer, outermost first.
        attributes: The attributes in which they do.
        local: Its name in the last of the graphs.
        type: Its type there, None where it isn't known.
    """

    path: str
    graphs: tuple[GraphProto, ...]
    holders: tuple[NodeProto, ...]
    attributes: tuple[str, ...]
    local: str
    type: TypeProto | None


def place(
    graph: GraphProto, path: str, steps: Sequence[tuple[int, str]], local: str, kind: TypeProto | None
) -> TensorLocation:
    """Finds a tensor in a proto.

    Args:
        graph: The main graph.
        path: The tensor's scoped path.
        steps: The way to its graph.
        local: Its name there.
        kind: Its type.

    Returns:
        Where it is.
    """
    graphs, holders = [graph], []
    for i, attribute in steps:
        holders.append(graphs[-1].node[i])
        graphs.append(subgraph(holders[-1], attribute))
    return TensorLocation(path, tuple(graphs), tuple(holders), tuple(step[1] for step in steps), local, kind)


def castable(graph: GraphProto, name: str, kind: TypeProto | None, path: str, names: Names) -> str:
    """Adds a cast of a tensor that numpy can't hold.

    Args:
        graph: The graph of the tensor; it is changed if a cast is needed.
        name: The tensor.
        kind: Its type.
        path: What the fresh name is made of.
        names: Where fresh names come from.

    Returns:
        The name of the tensor that carries the values, `name` itself if numpy can hold it.
    """
    target = carried(kind)
    if target is None:
        return name
    cast = names.fresh(path)
    node = graph.node.add(op_type="Cast", name=cast, input=[name], output=[cast])
    node.attribute.append(helper.make_attribute("to", target.tensor_type.elem_type))
    return cast


def hoist(where: TensorLocation, plan: OutputPlan, names: Names) -> str:
    """Hands a tensor out into the main graph.

    Args:
        where: The tensor; the proto that it is in is changed.
        plan: How it gets out.
        names: Where fresh names come from.

    Returns:
        The name that carries it in the main graph.
    """
    return _Hoist(where, plan, names).run()


class _Hoist:
    """One tensor on its way out. Levels count from the innermost graph."""

    def __init__(self, where: TensorLocation, plan: OutputPlan, names: Names) -> None:
        self._where, self._names = where, names
        self._modes = plan.modes
        inner = where.graphs[-1]
        self._current = castable(inner, where.local, where.type, f"{where.path}@cast", names)
        self._type = carried(where.type) or where.type
        # Inside the bodies through which a sequence is handed, the name of what has been collected so far.
        self._so_far = {
            level: names.fresh(f"{where.path}@{level}so_far")
            for level, mode in enumerate(self._modes)
            if mode == COLLECT
        }

    def run(self) -> str:
        """Goes through the graphs from the innermost outwards."""
        count = len(self._modes)
        for level, mode in enumerate(self._modes):
            holder = self._where.holders[count - 1 - level]
            graph = self._where.graphs[count - level]
            suffix = "" if level == count - 1 else f"@{level}"
            outer = self._names.fresh(f"{self._where.path}{suffix}")
            if mode == BRANCH:
                self._out_of_branch(level, holder, graph, outer)
            elif mode == COLLECT:
                self._into_sequence(level, holder, graph, outer)
            else:
                _fill_outputs(holder, graph, self._names)
                self._export(graph, len(graph.output))
                holder.output.append(outer)
                _extend_scan(holder)
                self._type = stacked(self._type)
            self._current = outer
        return self._current

    def _out_of_branch(self, level: int, holder: NodeProto, graph: GraphProto, outer: str) -> None:
        attribute = self._where.attributes[len(self._modes) - 1 - level]
        other = subgraph(holder, "else_branch" if attribute == "then_branch" else "then_branch")
        assert self._type is not None
        _fill_outputs(holder, graph, self._names)
        self._export(graph, len(graph.output))
        dummy = self._names.fresh(f"{self._where.path}@{level}not_taken")
        so_far = self._collected_outside(level)
        if so_far and self._type.WhichOneof("value") == "sequence_type" and COLLECT in self._modes[:level]:
            # Not taken in this iteration of the Loop outside: nothing comes on top.
            other.node.add(op_type="Identity", input=[so_far], output=[dummy])
        else:
            other.node.append(_empty(self._type, dummy))
        self._type = any_size(self._type)
        _declare(other, dummy, self._type, len(other.output))
        holder.output.append(outer)

    def _into_sequence(self, level: int, holder: NodeProto, body: GraphProto, outer: str) -> None:
        so_far = self._so_far[level]
        if COLLECT not in self._modes[:level]:
            assert self._type is not None
            longer = self._names.fresh(f"{self._where.path}@{level}longer")
            body.node.add(op_type="SequenceInsert", input=[so_far, self._current], output=[longer])
            self._current, self._type = longer, sequence_of(self._type.tensor_type.elem_type)
        value = body.input.add(name=so_far)
        assert self._type is not None
        value.type.CopyFrom(self._type)
        # Results of a Loop are its states and then what it stacks; its arguments begin with count and condition.
        _fill_outputs(holder, body, self._names)
        states = len(holder.input) - 2
        self._export(body, 1 + states)
        holder.output.insert(states, outer)
        before = self._collected_outside(level)
        if not before:
            before = self._names.fresh(f"{self._where.path}@{level}start")
            # First in the graph around the Loop: it reads nothing, and the Loop has to come after it.
            around = self._where.graphs[len(self._modes) - 1 - level]
            around.node.insert(0, _empty(self._type, before))
        holder.input.append(before)

    def _collected_outside(self, level: int) -> str:
        """What has been collected so far in the next Loop outside, empty if there is none."""
        outside = [further for further in self._so_far if further > level]
        return self._so_far[min(outside)] if outside else ""

    def _export(self, graph: GraphProto, position: int) -> None:
        """Makes the current tensor a result of a graph."""
        name = self._current
        if name in {value.name for values in (graph.output, graph.input) for value in values}:
            # It has a place among the results already, but not the one that is needed.
            copy = self._names.fresh(f"{self._where.path}@copy")
            graph.node.add(op_type="Identity", input=[name], output=[copy])
            name = copy
        _declare(graph, name, self._type, position)


def _declare(graph: GraphProto, name: str, kind: TypeProto | None, position: int) -> None:
    value = helper.make_empty_tensor_value_info(name)
    if kind is not None:
        value.type.CopyFrom(without_made_up_symbols(kind))
    graph.output.insert(position, value)


def _fill_outputs(holder: NodeProto, body: GraphProto, names: Names) -> None:
    """Names trailing results that the file leaves out: further ones have to come after them."""
    # A Loop keeps the first result of its body, the condition, to itself.
    results = len(body.output) - (holder.op_type == "Loop")
    while len(holder.output) < results:
        holder.output.append(names.fresh(f"{holder.op_type}@unused"))


def _extend_scan(holder: NodeProto) -> None:
    """Adds the added result to lists that say something about each."""
    for attribute in holder.attribute:
        if attribute.name in {"scan_output_axes", "scan_output_directions"}:
            attribute.ints.append(0)


def _empty(kind: TypeProto, name: str) -> NodeProto:
    """A node that gives an empty value of a type."""
    value = kind.WhichOneof("value")
    if value == "sequence_type":
        node = NodeProto(op_type="SequenceEmpty", output=[name])
        node.attribute.append(
            helper.make_attribute("dtype", kind.sequence_type.elem_type.tensor_type.elem_type)
        )
    elif value == "optional_type":
        node = NodeProto(op_type="Optional", output=[name])
        node.attribute.append(helper.make_attribute("type", kind.optional_type.elem_type))
    else:
        rank = len(kind.tensor_type.shape.dim) if kind.tensor_type.HasField("shape") else 1
        nothing = TensorProto(data_type=kind.tensor_type.elem_type, dims=[0] * max(rank, 1))
        node = NodeProto(op_type="Constant", output=[name])
        node.attribute.append(helper.make_attribute("value", nothing))
    return node


def without_made_up_symbols(kind: TypeProto) -> TypeProto:
    """A type without sizes that say nothing: symbols that onnx's inference invents, and the −1 of some exporters.

    Args:
        kind: The type; it is not changed.

    Returns:
        A copy.
    """
    copy = TypeProto()
    copy.CopyFrom(kind)
    if copy.WhichOneof("value") == "tensor_type":
        for dim in copy.tensor_type.shape.dim:
            if dim.dim_param.startswith("unk__") or dim.dim_value < 0:
                dim.Clear()
    return copy
