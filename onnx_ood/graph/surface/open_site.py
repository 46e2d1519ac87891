"""Opening a tensor to an added input, whose values are added to it or replace it."""

from __future__ import annotations

from collections.abc import Mapping

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, TypeProto

from onnx_ood.graph.catalogue.nodes import defined_in, subgraphs

# Older operators add without numpy's broadcasting.
MIN_OPSET = 7
# In older files an initializer cannot be overridden, so a nudge has to be fed.
_MIN_IR_VERSION_WITH_DEFAULTS = 4
# −0 added to a number leaves every bit as it was; +0 would flip the sign of −0. Little endian, as ONNX stores numbers.
_MINUS_ZERO: dict[int, bytes] = {
    TensorProto.FLOAT16: b"\x00\x80",
    TensorProto.BFLOAT16: b"\x00\x80",
    TensorProto.FLOAT: b"\x00\x00\x00\x80",
    TensorProto.DOUBLE: b"\x00\x00\x00\x00\x00\x00\x00\x80",
}


def replace_result(graph: GraphProto, name: str, values: str, computed: str) -> None:
    """Replace the result of a node by another tensor, under the same name.

    Args:
        graph: The graph that computes it; it is changed.
        name: The tensor.
        values: The replacement.
        computed: New name of the node's own result.
    """
    identity = NodeProto(op_type="Identity", name=values, input=[values], output=[name])
    _insert_after(graph, {name: (computed, identity)})


def nudge_results(graph: GraphProto, nudges: Mapping[str, tuple[str, str]]) -> None:
    """Nudge results of nodes; readers of their names get the nudged values.

    Args:
        graph: The graph that computes them; it is changed, and its nodes are new objects.
        nudges: For each result, the tensor to add and the new name of the node's own result.
    """
    _insert_after(
        graph, {name: (unnudged, _add(unnudged, nudge, name)) for name, (nudge, unnudged) in nudges.items()}
    )


def nudge_argument(graph: GraphProto, name: str, nudge: str, nudged: str) -> None:
    """Nudge an input of the main graph, which keeps its name; nodes read the sum instead.

    Args:
        graph: The main graph; it is changed. If the input is also an output, that stays without the nudge.
        name: The input.
        nudge: The tensor to add.
        nudged: Name of the sum.
    """
    for node in graph.node:
        read_instead(node, name, nudged)
    graph.node.insert(0, _add(name, nudge, nudged))


def declare_nudge(model: ModelProto, nudge: str, type_proto: TypeProto) -> None:
    """Declare the input of a nudge: any shape of the site's rank that broadcasts, −0 by default.

    In models of IR version 3 and older there is no default, since none could be overridden; the nudge must be fed.

    Args:
        model: The model; it is changed.
        nudge: Name of the input.
        type_proto: Type of the site.
    """
    value = model.graph.input.add(name=nudge)
    tensor = value.type.tensor_type
    tensor.elem_type = type_proto.tensor_type.elem_type
    if type_proto.tensor_type.HasField("shape"):
        tensor.shape.SetInParent()
    for _ in type_proto.tensor_type.shape.dim:
        tensor.shape.dim.add()
    if model.ir_version >= _MIN_IR_VERSION_WITH_DEFAULTS:
        model.graph.initializer.append(
            TensorProto(
                name=nudge,
                data_type=tensor.elem_type,
                dims=[1] * len(tensor.shape.dim),
                raw_data=_MINUS_ZERO[tensor.elem_type],
            )
        )


def declare_values(model: ModelProto, values: str, type_proto: TypeProto) -> None:
    """Declare an input that replaces a tensor.

    Args:
        model: The model; it is changed.
        values: Name of the input.
        type_proto: Type of the tensor. The size of the first axis, the batch, is left open: inference may have found
            that of a single run.
    """
    value = model.graph.input.add(name=values)
    value.type.CopyFrom(type_proto)
    for i, dim in enumerate(value.type.tensor_type.shape.dim):
        if i == 0 or not dim.HasField("dim_value") or dim.dim_value < 0:
            dim.Clear()


def read_instead(node: NodeProto, name: str, other: str) -> None:
    """Make a node read another tensor, in its subgraphs too unless they define the name themselves.

    Args:
        node: The node; it is changed.
        name: The tensor that it reads.
        other: The tensor to read instead.
    """
    for i, read in enumerate(node.input):
        if read == name:
            node.input[i] = other
    for graph in subgraphs(node):
        if name not in defined_in(graph):
            for inside in graph.node:
                read_instead(inside, name, other)
            for value in graph.output:
                if value.name == name:
                    value.name = other


def _insert_after(graph: GraphProto, changes: Mapping[str, tuple[str, NodeProto]]) -> None:
    """Rename results of nodes, and insert a node after each that computes the old name."""
    # In one pass: a model may have as many sites as nodes.
    nodes: list[NodeProto] = []
    for producer in graph.node:
        nodes.append(producer)
        for j, output in enumerate(producer.output):
            following: list[NodeProto] = []
            name = output
            while name in changes:  # A result may be nudged twice, by two of its paths.
                name, node = changes[name]
                following.insert(0, node)
            producer.output[j] = name
            nodes += following
    del graph.node[:]
    graph.node.extend(nodes)


def _add(name: str, nudge: str, total: str) -> NodeProto:
    return NodeProto(op_type="Add", name=nudge, input=[name, nudge], output=[total])
