"""Activations in the order in which the runtime's convolutions keep them.

On the CPU onnxruntime runs convolutions on tensors whose channels are blocked, [N, C/b, H, W, b], and copies each
tensor that is handed out back into [N, C, H, W]. Pair statistics don't depend on the order of a tensor's units, so that
copy is waste: probes are taken from the optimised graph just before it.
"""

from __future__ import annotations

from collections.abc import Collection

from onnx import ModelProto, ValueInfoProto, helper

_DOMAIN = "com.microsoft.nchwc"
# Blocks are 8 or 16 channels wide; a number of channels that isn't a multiple is filled up, which would add units.
_WIDEST = 16


def keep_blocked(optimized: ModelProto, names: Collection[str]) -> dict[str, str]:
    """Makes outputs of an optimised graph come as the runtime keeps them.

    Args:
        optimized: The graph as onnxruntime wrote it after its optimisations. It is changed.
        names: Outputs whose units may come in any order.

    Returns:
        For each of these outputs that are blocked inside, the tensor that is an output in its place. It has the same
        shape and values; the units of each input come in another order.
    """
    graph = optimized.graph
    read = {name for node in graph.node for name in node.input}
    outputs = {value.name: value for value in graph.output}
    blocked: dict[str, str] = {}
    for node in graph.node:
        if node.op_type != "ReorderOutput" or node.domain != _DOMAIN:
            continue
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        whole = attributes["channels"] % _WIDEST == 0 and not attributes.get("channels_last", 0)
        name = node.output[0]
        if whole and name in names and name in outputs and name not in read:
            blocked[name] = node.input[0]
    kept = [node for node in graph.node if node.output[0] not in blocked]
    for name, tensor in blocked.items():
        outputs[name] = ValueInfoProto(name=tensor, type=outputs[name].type)
    del graph.node[:]
    graph.node.extend(kept)
    del graph.output[:]
    graph.output.extend({value.name: value for value in outputs.values()}.values())
    return blocked
