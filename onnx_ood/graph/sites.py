"""Tensors that can be nudged."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from onnx_ood._types import Array, Float
from onnx_ood.graph.catalogue.model import Model
from onnx_ood.graph.catalogue.nodes import producers, reads
from onnx_ood.graph.catalogue.stored import StoredValues
from onnx_ood.graph.catalogue.tensors import Tensor
from onnx_ood.graph.surface.open_site import MIN_OPSET

# Operators that keep values, up to dtype, shape and order.
_MOVING_OPS = frozenset({"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})


def nudgeable(model: Model) -> tuple[Tensor, ...]:
    """List all tensors that can be nudged, in execution order: floating-point inputs and tensors that depend on one."""
    return tuple(tensor for tensor in model.all_tensors if why_not_nudged(model, tensor) is None)


def why_not_nudged(model: Model, tensor: Tensor) -> str | None:
    """Explain why a tensor cannot be nudged, with an alternative; None if it can.

    Args:
        model: The model.
        tensor: One of its tensors. An unknown dtype is accepted.
    """
    if tensor.constant and not tensor.is_input:
        return f"does not depend on any input of {model.path.name}"
    if tensor.dtype is not None and not tensor.floating:
        return (
            f"holds {tensor.dtype} values; nudges need a floating-point tensor{nearest_floats(model, tensor)}"
        )
    if tensor.name in model.sizes:
        return f"holds sizes, not data; sizes cannot be nudged{nearest_floats(model, tensor)}"
    nested = model.nested_by_path.get(tensor.name)
    if nested is not None and nested.refusal:
        return nested.refusal
    if nested is not None and nested.argument:
        return "is an argument of a loop body; nudge the tensor that computes it"
    return None


def holds_input(model: Model, tensor: Tensor) -> bool:
    """Return whether a tensor is a model input, or a cast of one: the same numbers in the same places.

    Args:
        model: The model.
        tensor: One of its tensors.
    """
    if tensor.is_input:
        return True
    producer = producers(model.proto.graph.node)
    inputs = {one.name for one in model.inputs}
    node = producer.get(tensor.name)
    # Bounded, because a damaged file may hold a cycle.
    for _ in range(len(producer)):
        if node is None or node.op_type not in {"Cast", "Identity"} or not node.input:
            return False
        if node.input[0] in inputs:
            return True
        node = producer.get(node.input[0])
    return False


_DYNAMIC_STEPS = 255


@dataclass(frozen=True, slots=True)
class Rounding:
    """Rounding of a tensor by a model, before anything else reads it.

    Attributes:
        step: Size of the steps: the largest scale of the QuantizeLinear nodes; None if only DynamicQuantizeLinear nodes
            read the tensor, whose steps follow its values.
    """

    step: float | None

    def __str__(self) -> str:
        """Describe the steps for messages."""
        if self.step is None:
            return f"{_DYNAMIC_STEPS} steps over the range of each input"
        return f"steps of {self.step:.3g}"

    def steps(self, values: Array) -> Float:
        """Return the size of the steps for each input.

        Args:
            values: Values of the tensor, [N, *site].

        Returns:
            Float64 [N].

        >>> Rounding(None).steps(np.array([[0, 51], [-10, 500]]))
        array([0.2, 2. ])
        """
        if self.step is not None:
            return np.full(len(values), self.step)
        # The range of DynamicQuantizeLinear includes 0.
        rows = values.reshape(len(values), -1).astype(np.float64)
        found: Float = (np.maximum(rows.max(axis=1), 0) - np.minimum(rows.min(axis=1), 0)) / _DYNAMIC_STEPS
        return found


def find_rounding(model: Model, tensor: Tensor) -> Rounding | None:
    """Find how a model rounds a tensor.

    Args:
        model: The model.
        tensor: A tensor of the main graph.

    Returns:
        The rounding by the nodes that read it, directly or after changes of shape and dtype; None if nodes that do not
        round read it too, or a scale is not stored.
    """
    readers = defaultdict(list)
    for node in model.proto.graph.node:
        for name in reads(node):
            readers[name].append(node)
    stored, scales, dynamic = StoredValues(model), list[float](), False
    waiting, seen = [tensor.name], {tensor.name}
    while waiting:
        name = waiting.pop()
        if not readers[name] or name in model.outputs:
            return None
        for node in readers[name]:
            if node.op_type == "QuantizeLinear" and node.input[0] == name:
                scale = stored.value(node.input[1])
                if scale is None:
                    return None
                scales.append(float(np.max(scale)))
            elif node.op_type == "DynamicQuantizeLinear":
                dynamic = True
            elif node.op_type in _MOVING_OPS and node.input[0] == name:
                waiting += [one for one in node.output if one not in seen]
                seen.update(node.output)
            else:
                return None
    return Rounding(max(scales, default=None)) if scales or dynamic else None


def why_no_nudge_input(model: Model) -> str | None:
    """Explain why no input for nudges can be added to a model's file; None if it can. Nudges of runs need none."""
    if model.standard_opset < MIN_OPSET:
        return (
            f"cannot be nudged in a file: an added input requires operators of version {MIN_OPSET} or newer, the model "
            f"has {model.standard_opset}"
        )
    return None


def nearest_floats(model: Model, tensor: Tensor | None = None) -> str:
    """Suggest the first inner floating-point tensor after another, as the end of a message.

    Args:
        model: The model.
        tensor: The tensor to start after, in execution order; None to start at the first.

    Returns:
        The end of a message, empty if there is no such tensor.
    """
    nearest = model.next_floats.get(tensor.name if tensor else "")
    return f"; the nearest inner floating-point tensor is {nearest!r}" if nearest else ""
