"""The catalogue: what each tensor of the main graph is, who computes it and who reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto, shape_inference

from onnx_ood.exceptions import ModelError
from onnx_ood.graph.catalogue.activations import activation_outputs
from onnx_ood.graph.catalogue.order import execution_order, reads, stored_names
from onnx_ood.graph.catalogue.tensors import INPUT_OP, Shape, Tensor, type_of
from onnx_ood.graph.catalogue.weightless import without_weights


def catalogue(model: ModelProto) -> tuple[Tensor, ...]:
    """Lists graph inputs and every tensor that the nodes of the main graph compute.

    Args:
        model: The model, external data not loaded. It is not changed.

    Returns:
        The tensors in execution order, graph inputs first. Inputs that have an initializer (overridable constants)
        are not listed.

    Raises:
        ModelError: If the graph is not a graph: a tensor given twice, or a circle.
    """
    graph = model.graph
    nodes = execution_order(graph.node)
    types = _infer_types(model, nodes)
    stored = stored_names(graph)
    consumers = Counter(name for node in nodes for name in reads(node))
    activations = activation_outputs(nodes)
    outputs = {value.name for value in graph.output}

    tensors: list[Tensor] = []
    depth: dict[str, int] = {}  # Only tensors that an input has an influence on.

    def add(name: str, op: str, domain: str, node: str) -> None:
        dtype, shape = types.get(name, (None, None))
        tensors.append(
            Tensor(
                name=name,
                op=op,
                domain=domain,
                node=node,
                dtype=dtype,
                shape=shape,
                index=len(tensors),
                depth=depth.get(name, 0),
                activation=name in activations and name in depth,
                constant=name not in depth,
                output=name in outputs,
                consumers=consumers[name],
            )
        )

    computed = {name for node in nodes for name in node.output}
    for value in graph.input:
        if value.name in computed or value.name in depth:
            raise ModelError(
                f"tensor {value.name!r} is both fed and computed, or fed twice: the file is not valid ONNX"
            )
        if value.name not in stored:
            depth[value.name] = 0
            add(value.name, INPUT_OP, "", "")
    for node in nodes:
        sources = [depth[name] for name in reads(node) if name in depth]
        for name in node.output:
            if name:
                if sources:
                    depth[name] = 1 + max(sources)
                add(name, node.op_type, node.domain, node.name)
    return tuple(tensors)


def _infer_types(model: ModelProto, nodes: Sequence[NodeProto]) -> dict[str, tuple[str | None, Shape]]:
    """Infers dtype and symbolic shape of the main graph's tensors, as far as onnx can tell.

    Args:
        model: The model, external data not loaded. It is not changed.
        nodes: Its nodes in execution order: inference goes through them once.

    Returns:
        Dtype and shape by tensor name. What the file states stands where inference gives nothing.
    """
    types = {value.name: type_of(value.type) for value in _declared(model.graph)}
    try:
        inferred = shape_inference.infer_shapes(without_weights(model, nodes), data_prop=True)
    except Exception:
        # Types are a help, not a need: onnxruntime infers them again when a session is made.
        return types
    for value in _declared(inferred.graph):
        dtype, shape = type_of(value.type)
        known_dtype, known_shape = types.get(value.name, (None, None))
        types[value.name] = (dtype or known_dtype, known_shape if shape is None else shape)
    return types


def _declared(graph: GraphProto) -> list[ValueInfoProto]:
    return [*graph.input, *graph.value_info, *graph.output]
