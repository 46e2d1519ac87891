"""Opening a tensor of a graph to an input: one that is added to it, or one that takes its place."""

from __future__ import annotations

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, TypeProto

from onnx_ood.graph.catalogue.order import defined_in, subgraphs

# Only the oldest operators add without numpy's broadcasting.
OLDEST_OPSET = 7
# Before, an initializer can't be overridden, so a nudge has to be fed.
_DEFAULTS_FROM_IR = 4
# −0 added to anything leaves every bit of it as it was; +0 would turn a −0 over. Little endian, as ONNX stores it.
_MINUS_ZERO: dict[int, bytes] = {
    TensorProto.FLOAT16: b"\x00\x80",
    TensorProto.BFLOAT16: b"\x00\x80",
    TensorProto.FLOAT: b"\x00\x00\x00\x80",
    TensorProto.DOUBLE: b"\x00\x00\x00\x00\x00\x00\x00\x80",
}


def replace_result(graph: GraphProto, name: str, values: str, computed: str) -> None:
    """Gives a tensor other values than its node computes. Who reads it reads those.

    Args:
        graph: The graph that computes it; it is changed.
        name: The tensor.
        values: What it is to be.
        computed: What the node's own result is called from now on.
    """
    _follow(graph, name, computed, NodeProto(op_type="Identity", name=values, input=[values], output=[name]))


def nudge_result(graph: GraphProto, name: str, nudge: str, unnudged: str) -> None:
    """Nudges what a node computes. The tensor keeps its name, and who reads it reads the nudged value.

    Args:
        graph: The graph that computes it; it is changed.
        name: The tensor.
        nudge: What is added.
        unnudged: What the node's own result is called from now on.
    """
    _follow(graph, name, unnudged, _add(unnudged, nudge, name))


def nudge_argument(graph: GraphProto, name: str, nudge: str, nudged: str) -> None:
    """Nudges an input of the main graph. It keeps its name; who reads it reads the sum instead.

    Args:
        graph: The main graph; it is changed. Where it hands the input out as it is, it still does.
        name: The input.
        nudge: What is added.
        nudged: What the sum is called.
    """
    for node in graph.node:
        read_instead(node, name, nudged)
    graph.node.insert(0, _add(name, nudge, nudged))


def declare_nudge(model: ModelProto, nudge: str, kind: TypeProto) -> None:
    """Declares the input that takes a nudge: of the site's rank, any size that broadcasts, −0 by default.

    There is no default in models of IR version 3 and older, where none can be overridden: the nudge has to be fed.

    Args:
        model: The model; it is changed.
        nudge: Name of the input.
        kind: Type of the site.
    """
    value = model.graph.input.add(name=nudge)
    tensor = value.type.tensor_type
    tensor.elem_type = kind.tensor_type.elem_type
    if kind.tensor_type.HasField("shape"):
        tensor.shape.SetInParent()
    for _ in kind.tensor_type.shape.dim:
        tensor.shape.dim.add()
    if model.ir_version >= _DEFAULTS_FROM_IR:
        model.graph.initializer.append(
            TensorProto(
                name=nudge,
                data_type=tensor.elem_type,
                dims=[1] * len(tensor.shape.dim),
                raw_data=_MINUS_ZERO[tensor.elem_type],
            )
        )


def declare_values(model: ModelProto, values: str, kind: TypeProto) -> None:
    """Declares the input that takes the place of a tensor.

    Args:
        model: The model; it is changed.
        values: Name of the input.
        kind: Type of the tensor. Sizes of the first axis are not taken over: it is the batch, of which inference may
            know the size of one run only.
    """
    value = model.graph.input.add(name=values)
    value.type.CopyFrom(kind)
    for i, dim in enumerate(value.type.tensor_type.shape.dim):
        if i == 0 or not dim.HasField("dim_value") or dim.dim_value < 0:
            dim.Clear()


def _follow(graph: GraphProto, name: str, before: str, last: NodeProto) -> None:
    """Gives a node's result another name and lets a further node make what had it."""
    for i, node in enumerate(graph.node):
        for j, output in enumerate(node.output):
            if output == name:
                node.output[j] = before
                graph.node.insert(i + 1, last)
                return


def _add(name: str, nudge: str, total: str) -> NodeProto:
    return NodeProto(op_type="Add", name=nudge, input=[name, nudge], output=[total])


def read_instead(node: NodeProto, name: str, other: str) -> None:
    """Makes a node read another tensor, in its subgraphs too, except where they have something else of that name.

    Args:
        node: The node; it is changed.
        name: What it reads.
        other: What it is to read.
    """
    for i, read in enumerate(node.input):
        if read == name:
            node.input[i] = other
    for graph in subgraphs(node):
        if name not in defined_in(graph):
            for inner in graph.node:
                read_instead(inner, name, other)
            for value in graph.output:
                if value.name == name:
                    value.name = other
