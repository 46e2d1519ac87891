"""Cutting a model at an inner site: the part before it runs once, the part after it for every nudge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

from onnx_ood.exceptions import SelectorError
from onnx_ood.graph.catalogue.nodes import reads, stored_names
from onnx_ood.graph.catalogue.order import dependents, execution_order
from onnx_ood.graph.catalogue.tensors import Shape
from onnx_ood.graph.surface.rewrite import Rewritten

# Their results differ from run to run, so they are passed across a cut, not computed again.
_RANDOM_OPS = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)


@dataclass(frozen=True)
class Cut:
    """A cut of a model.

    Attributes:
        site: The input with the site's values.
        crossing: Other tensors computed before the cut, or inputs of the model, that are read after it, in order of
            first use.
        nodes: The nodes after the cut that the probes need, and those that compute constants for them, in execution
            order.
    """

    site: str
    crossing: tuple[str, ...]
    nodes: tuple[NodeProto, ...]


def find_cut(opened: Rewritten, site: str, probes: Sequence[str]) -> Cut:
    """Find the nodes that run again when a tensor is nudged.

    Args:
        opened: A model with outputs for the probes and an input that replaces the site.
        site: The tensor to nudge.
        probes: The tensors to compute.

    Raises:
        SelectorError: If a probe does not depend on the site.
    """
    graph, entry = opened.proto.graph, opened.inputs[site]
    order = execution_order(graph.node)
    downstream = dependents(order, entry)
    for probe in probes:
        if probe == site or opened.outputs[probe] not in downstream:
            raise SelectorError(
                f"probe {probe!r} does not depend on the site {site!r}, so a nudge there cannot change it"
            )
    stored = stored_names(graph)
    constant = constants_of(order, stored)
    needed = {opened.outputs[probe] for probe in probes}
    nodes: list[NodeProto] = []
    # Backwards: a node is needed if something needed reads it, and it is after the cut or computes a constant.
    for node in reversed(order):
        wanted = needed.intersection(node.output)
        if wanted and (wanted & downstream or wanted <= constant):
            nodes.append(node)
            needed.update(reads(node))
    nodes.reverse()
    computed = {name for node in nodes for name in node.output}
    read = dict.fromkeys(name for node in nodes for name in reads(node))
    return Cut(
        site=entry,
        crossing=tuple(name for name in read if name not in computed | stored | {entry}),
        nodes=tuple(nodes),
    )


def constants_of(order: Sequence[NodeProto], stored: set[str]) -> set[str]:
    """Find constants, which parts compute themselves so that the runtime can fold them into weights.

    Args:
        order: Nodes of a graph in execution order.
        stored: Names of its initializers.

    Returns:
        Names of tensors computed from stored ones only, the same in every run.
    """
    known = set(stored)
    for node in order:
        if node.op_type not in _RANDOM_OPS and known.issuperset(reads(node)):
            known.update(name for name in node.output if name)
    return known - stored


def downstream_model(
    model: ModelProto, cut: Cut, dtypes: Mapping[str, int], shapes: Mapping[str, Shape]
) -> ModelProto:
    """Make the model that runs after a cut.

    Args:
        model: The whole model, opened at the site; it is not changed, and external weights are not read.
        cut: The cut.
        dtypes: `TensorProto.DataType` of every crossing tensor, by name.
        shapes: Known shapes of crossing tensors, by name.

    Returns:
        A model with the site and the crossing tensors as inputs and no outputs; the caller adds those it needs.
    """
    source = model.graph
    part = ModelProto(ir_version=model.ir_version, producer_name=model.producer_name)
    part.opset_import.extend(model.opset_import)
    part.functions.extend(model.functions)
    part.graph.name = "downstream"
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
            # The first axis is the batch; inference may have found the size of a single run.
            if isinstance(dim, int) and i > 0:
                value.type.tensor_type.shape.dim.add(dim_value=dim)
            else:
                value.type.tensor_type.shape.dim.add()
    return value


def copy_stored(source: GraphProto, target: GraphProto, used: set[str]) -> None:
    """Copy initializers from one graph to another.

    Args:
        source: The graph that has them.
        target: The graph to extend.
        used: Names of the initializers to copy.
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
