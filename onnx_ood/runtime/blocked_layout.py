"""Blocked order: activations in the order in which the runtime's convolutions keep them.

On the CPU onnxruntime runs convolutions on tensors with blocked channels, [N, C/b, H, W, b], and copies each output
back into [N, C, H, W]. Pair statistics don't depend on the order of a tensor's units, and channel statistics can be
read in either order, so tensors are taken from the optimised graph just before that copy.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

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


def split_blocks(array: NDArray[Any], width: int) -> NDArray[Any]:
    """View a tensor in blocked order by its blocks.

    Args:
        array: [N, C, ...] in blocked order, as a run of the model returns it.
        width: Channels in a block, from `block_width`.

    Returns:
        View [N, C/width, S, width] with S positions.
    """
    return array.reshape(len(array), array.shape[1] // width, -1, width)


def in_order(array: NDArray[Any], width: int) -> NDArray[Any]:
    """Return a tensor in blocked order with its units in the order of the model.

    Args:
        array: [N, C, ...] in blocked order.
        width: Channels in a block.

    Returns:
        Copy [N, C, ...].
    """
    return np.moveaxis(split_blocks(array, width), 3, 2).reshape(array.shape)


def sample_model() -> tuple[ModelProto, NDArray[np.float32]]:
    """Make a model that returns its input, and an input whose blocks `width_of` measures.

    Returns:
        The model, with input `x` and output `y`, and a value of `x`.
    """
    weight = np.eye(2 * _MAX_BLOCK, dtype=np.float32)[:, :, np.newaxis, np.newaxis]
    shape = [1, len(weight), 1, 2]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "weight"], ["y"])],
        "sample",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    return model, np.arange(2 * len(weight), dtype=np.float32).reshape(shape)


def width_of(blocked: NDArray[np.float32]) -> int:
    """Read the width of blocks off the output of `sample_model` in blocked order."""
    # The second position of channel 0 follows the first positions of its block.
    return int(np.flatnonzero(blocked.ravel() == 1)[0])
