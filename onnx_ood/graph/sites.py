"""Tensors that can be nudged."""

from __future__ import annotations

from onnx_ood.graph.catalogue.model import Model
from onnx_ood.graph.catalogue.tensors import Tensor
from onnx_ood.graph.surface.open_site import MIN_OPSET


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
    if model.opsets.get("ai.onnx", 1) < MIN_OPSET:
        return f"cannot be nudged: nudges require operators of version {MIN_OPSET} or newer"
    nested = model.nested_by_path.get(tensor.name)
    if nested is not None and nested.refusal:
        return nested.refusal
    if nested is not None and nested.argument:
        return "is an argument of a loop body; nudge the tensor that computes it"
    return None


def nearest_floats(model: Model, tensor: Tensor | None = None) -> str:
    """Suggest the first inner floating-point tensor after another, as the end of a message.

    Args:
        model: The model.
        tensor: The tensor to start after, in execution order; None to start at the first.

    Returns:
        The end of a message, empty if there is no such tensor.
    """
    names = [other.name for other in model.all_tensors]
    following = model.all_tensors[names.index(tensor.name) + 1 :] if tensor else model.all_tensors
    for other in following:
        if other.floating and not (other.is_input or other.constant or other.name in model.sizes):
            return f"; the nearest inner floating-point tensor is {other.name!r}"
    return ""
