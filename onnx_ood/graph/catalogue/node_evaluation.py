"""Single nodes computed by onnx's reference implementation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import NodeProto, helper

from onnx_ood._types import Array
from onnx_ood.graph.catalogue.nodes import CONTRIB_DOMAIN

# onnx's reference has these operators from this version of the standard on, which includes the earlier ones.
_QUANTIZING_OPS = frozenset({"DequantizeLinear", "QuantizeLinear"})
_QUANTIZING_OPSET = 19


def evaluate_node(
    node: NodeProto, values: Mapping[str, Array], opsets: Sequence[tuple[str, int]]
) -> list[Array]:
    """Compute the results of a node with `onnx.reference`.

    Args:
        node: The node; it must not capture values in a subgraph.
        values: Values of its inputs, by name; other names are ignored.
        opsets: Domain and version of each operator set.

    Returns:
        Its named outputs, in order.

    Raises:
        Exception: Whatever the reference raises if it cannot compute the node.
    """
    # Slow to import, and seldom needed.
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415

    if node.op_type in _QUANTIZING_OPS and node.domain in {"", "ai.onnx", CONTRIB_DOMAIN}:
        standard = NodeProto()
        standard.CopyFrom(node)
        standard.domain = ""
        node = standard
        versions = [version for domain, version in opsets if domain == ""]
        opsets = [("", max([*versions, _QUANTIZING_OPSET]))]
    inputs = [name for name in dict.fromkeys(node.input) if name]
    outputs = [name for name in node.output if name]
    graph = helper.make_graph(
        [node],
        "one_node",
        [helper.make_empty_tensor_value_info(name) for name in inputs],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid(*opset) for opset in opsets])
    results = ReferenceEvaluator(model).run(None, {name: values[name] for name in inputs})
    return [np.asarray(result) for result in results]
