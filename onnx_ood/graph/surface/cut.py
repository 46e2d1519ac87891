"""Cutting a model at an inner tensor: what comes before it runs once, what comes after it for every nudge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, TypeProto, ValueInfoProto

from onnx_ood.exceptions import SelectorError, UsageError
from onnx_ood.graph.catalogue.order import dependents, execution_order, reads, stored_names
from onnx_ood.graph.catalogue.tensors import Shape
from onnx_ood.graph.surface.rewrite import Rewritten

# Their results don't depend on inputs and differ from run to run, so they are carried over, not computed again.
_RANDOM_OPS = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)


@dataclass(frozen=True)
class Cut:
    """Where a model is cut.

    Attributes:
        site: The input that takes the site's values.
        crossing: Other tensors that are computed before the cut (or are inputs of the model) and read behind it, in
            order of first use.
        nodes: The nodes behind the cut that the probes need, and those that compute constants for them, in execution
            order.
    """

    site: str
    crossing: tuple[str, ...]
    nodes: tuple[NodeProto, ...]


def find_cut(opened: Rewritten, site: str, probes: Sequence[str]) -> Cut:
    """Finds what has to run again when a tensor is nudged.

    Args:
        opened: A model with outputs for the probes and an input in the place of the site.
        site: The tensor that is nudged.
        probes: The tensors that are wanted behind it.

    Returns:
        The cut.

    Raises:
        SelectorError: If a probe does not depend on the site.
    """
    graph, entry = opened.proto.graph, opened.inputs[site]
    order = execution_order(graph.node)
    behind = dependents(order, entry)
    for probe in probes:
        if probe == site or opened.outputs[probe] not in behind:
            raise SelectorError(
                f"probe {probe!r} does not depend on the site {site!r}, so no nudge there can change it"
            )
    stored = stored_names(graph)
    constant = recomputed(order, stored)
    needed = {opened.outputs[probe] for probe in probes}
    nodes: list[NodeProto] = []
    # Backwards: a node is needed if something needed reads it, and it lies behind the cut or gives a constant.
    for node in reversed(order):
        wanted = needed.intersection(node.output)
        if wanted and (wanted & behind or wanted <= constant):
            nodes.append(node)
            needed.update(reads(node))
    nodes.reverse()
    computed = {name for node in nodes for name in node.output}
    carried = dict.fromkeys(name for node in nodes for name in reads(node))
    return Cut(
        site=entry,
        crossing=tuple(name for name in carried if name not in computed | stored | {entry}),
        nodes=tuple(nodes),
    )


def recomputed(order: Sequence[NodeProto], stored: set[str]) -> set[str]:
    """What is computed again behind a cut rather than handed over, so that the runtime can still fold it into weights.

    Args:
        order: The nodes of a graph in execution order.
        stored: Names of its initializers.

    Returns:
        Names of tensors that are computed from stored ones alone, and the same in every run.
    """
    known = set(stored)
    for node in order:
        if node.op_type not in _RANDOM_OPS and known.issuperset(reads(node)):
            known.update(name for name in node.output if name)
    return known - stored


def downstream_model(
    model: ModelProto, cut: Cut, dtypes: Mapping[str, int], shapes: Mapping[str, Shape]
) -> ModelProto:
    """Makes the model that runs behind a cut.

    Args:
        model: The whole model, opened at the site; it is not changed, and external weights are not touched.
        cut: Where it is cut.
        dtypes: `TensorProto.DataType` of every carried tensor, by name.
        shapes: Shapes of carried tensors, by name, as far as they are known.

    Returns:
        A model whose inputs are the site and the carried tensors, without outputs: the caller marks what it wants.
    """
    source = model.graph
    part = ModelProto(ir_version=model.ir_version, producer_name=model.producer_name)
    part.opset_import.extend(model.opset_import)
    part.functions.extend(model.functions)
    part.graph.name = "behind"
    part.graph.node.extend(cut.nodes)
    part.graph.input.extend(value for value in source.input if value.name == cut.site)
    for name in cut.crossing:
        part.graph.input.append(_input(name, dtypes[name], shapes.get(name)))
    used = {name for node in cut.nodes for name in reads(node)}
    copy_stored(source, part.graph, used)
    return part


def _input(name: str, dtype: int, shape: Shape) -> ValueInfoProto:
    value = ValueInfoProto(name=name)
    value.type.tensor_type.elem_type = dtype
    if shape is not None:
        value.type.tensor_type.shape.SetInParent()
        for i, dim in enumerate(shape):
            # The first axis is the batch, of which inference may know the size of one run only.
            if isinstance(dim, int) and i > 0:
                value.type.tensor_type.shape.dim.add(dim_value=dim)
            else:
                value.type.tensor_type.shape.dim.add()
    return value


def copy_stored(source: GraphProto, target: GraphProto, used: set[str]) -> None:
    """Copies initializers from one graph to another.

    Args:
        source: Where they are.
        target: Where they go.
        used: Names of those that are meant.
    """
    declared = {value.name: value for value in source.input}
    for tensor in source.initializer:
        if tensor.name in used:
            target.initializer.append(tensor)
            # Up to IR version 3 an initializer has to be declared as an input as well.
            if tensor.name in declared:
                target.input.append(declared[tensor.name])
    target.sparse_initializer.extend(
        tensor for tensor in source.sparse_initializer if tensor.values.name in used
    )


def element_type(dtype: str) -> int:
    """The number of an element type.

    Args:
        dtype: A name such as `"float32"`, `"int64"` or `"bool"`.

    Returns:
        The value of `TensorProto.DataType`.

    Raises:
        UsageError: If ONNX has no such element type.
    """
    name = {"float32": "FLOAT", "float64": "DOUBLE"}.get(dtype, dtype.upper())
    if name not in TensorProto.DataType.keys():  # noqa: SIM118 - protobuf's enum wrapper is no mapping
        raise UsageError(f"{dtype!r} is no element type of a tensor")
    return TensorProto.DataType.Value(name)


def tensor_type(dtype: str) -> TypeProto:
    """The type of a tensor of any shape.

    Args:
        dtype: As in `element_type`.

    Returns:
        The type, without a shape.

    Raises:
        UsageError: If ONNX has no such element type.
    """
    kind = TypeProto()
    kind.tensor_type.elem_type = element_type(dtype)
    return kind
