"""Blocked order: activations in the order in which the runtime's convolutions keep them.

On the CPU onnxruntime runs convolutions on tensors with blocked channels, [N, C/b, H, W, b], and copies each output
back into [N, C, H, W]. Pair statistics don't depend on the order of a tensor's units, so probes are taken from the
optimised graph just before that copy.
"""

from __future__ import annotations

from collections.abc import Collection

from onnx import ModelProto, ValueInfoProto, helper

_DOMAIN = "com.microsoft.nchwc"
# Blocks are 8 or 16 channels wide; a number of channels that isn't a multiple is padded, which would add units.
_MAX_BLOCK = 16


def keep_blocked(optimized: ModelProto, names: Collection[str]) -> dict[str, str]:
    """Make outputs of an optimised graph blocked where the runtime keeps them so.

    Args:
        optimized: The graph that onnxruntime wrote after its optimisations; changed in place.
        names: Outputs whose units may come in any order.

    Returns:
        For each output that is blocked, the tensor that replaces it: same shape and values, with the units of each
        input in another order.
    """
    graph = optimized.graph
    read = {name for node in graph.node for name in node.input}
    outputs = {value.name: value for value in graph.output}
    blocked: dict[str, str] = {}
    for node in graph.node:
        if node.op_type != "ReorderOutput" or node.domain != _DOMAIN:
            continue
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        whole = attributes["channels"] % _MAX_BLOCK == 0 and not attributes.get("channels_last", 0)
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
