"""Operators that draw random numbers when a model runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from onnx import NodeProto

from onnx_ood.graph.catalogue.model import Model
from onnx_ood.graph.catalogue.nodes import attribute_values, qualified_op, subgraphs
from onnx_ood.graph.catalogue.stored import StoredValues

_RANDOM_OPS = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)
_DROPOUT_OPS = frozenset({"Dropout", "com.microsoft::BiasDropout", "com.microsoft::BitmaskDropout"})


def random_operators(model: Model) -> tuple[str, ...]:
    """List the operators that may give other results at each run, at any depth.

    Args:
        model: The model.

    Returns:
        Distinct types, sorted. Dropout counts in training mode, or if its mode is not stored in the file;
        BatchNormalization in training mode, in which outputs also depend on the other inputs of a run.
    """
    stored = StoredValues(model)
    bodies = [model.proto.graph.node, *(function.node for function in model.proto.functions)]
    found = (name for body in bodies for node in _nodes(body) if (name := _random(node, stored)))
    return tuple(sorted(set(found)))


def _nodes(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        yield node
        for graph in subgraphs(node):
            waiting.extend(graph.node)


def _random(node: NodeProto, stored: StoredValues) -> str:
    name = qualified_op(node)
    if name in _RANDOM_OPS:
        return name
    if name in _DROPOUT_OPS and len(node.input) > 2 and node.input[-1]:
        mode = stored.value(node.input[-1])
        return "" if mode is not None and not np.any(mode) else f"{name} in training mode"
    if name == "BatchNormalization" and attribute_values(node).get("training_mode", 0):
        # The runtime fuses it with statistics that change at each run.
        return f"{name} in training mode"
    return ""
