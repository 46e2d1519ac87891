"""The catalogue: each tensor of the main graph with its origin, type and consumers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from onnx import ModelProto, TypeProto

from onnx_ood.exceptions import ModelError
from onnx_ood.graph.catalogue.activations import activation_outputs
from onnx_ood.graph.catalogue.nodes import reads, stored_names
from onnx_ood.graph.catalogue.order import execution_order
from onnx_ood.graph.catalogue.tensors import INPUT_OP, Tensor, type_of


def catalogue(model: ModelProto, types: Mapping[str, TypeProto]) -> tuple[Tensor, ...]:
    """List the graph inputs and every tensor that nodes of the main graph compute.

    Args:
        model: The model, external data not loaded. It is not changed.
        types: Inferred types by name.

    Returns:
        The tensors in execution order, graph inputs first. Inputs with an initializer (overridable constants) are
        not listed.

    Raises:
        ModelError: If the graph is not valid: a tensor defined twice, an undefined one, or a cycle.
    """
    graph = model.graph
    nodes = execution_order(graph.node)
    stored = stored_names(graph)
    consumers = Counter(name for node in nodes for name in reads(node))
    activations = activation_outputs(nodes)
    outputs = {value.name for value in graph.output}

    tensors: list[Tensor] = []
    depth: dict[str, int] = {}  # Only of tensors that depend on an input.

    def add(name: str, op: str, domain: str, node: str) -> None:
        dtype, shape = type_of(types[name]) if name in types else (None, None)
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
    defined = computed | stored | depth.keys()
    for node in nodes:
        if missing := [name for name in reads(node) if name not in defined]:
            raise ModelError(
                f"node {node.name or node.op_type!r} reads {missing[0]!r}, which nothing defines: the file is not "
                "valid ONNX"
            )
        sources = [depth[name] for name in reads(node) if name in depth]
        for name in node.output:
            if name:
                if sources:
                    depth[name] = 1 + max(sources)
                add(name, node.op_type, node.domain, node.name)
    return tuple(tensors)
