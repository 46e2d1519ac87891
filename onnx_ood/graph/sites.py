"""Which tensors can be nudged."""

from __future__ import annotations

from onnx_ood.graph.catalogue.model import Model
from onnx_ood.graph.catalogue.tensors import Tensor
from onnx_ood.graph.surface.open_site import OLDEST_OPSET


def nudgeable(model: Model) -> tuple[Tensor, ...]:
    """All tensors that can be nudged, in execution order: inputs of floats, and floats inside that depend on one."""
    return tuple(tensor for tensor in model.all_tensors if why_not_nudged(model, tensor) is None)


def why_not_nudged(model: Model, tensor: Tensor) -> str | None:
    """The reason why a tensor can't be nudged, with the nearest that can; None if it can.

    Args:
        model: The model.
        tensor: One of its tensors. Of an unknown type it is taken to hold floats.
    """
    if tensor.constant and not tensor.is_input:
        return f"does not depend on any input of {model.path.name}"
    if tensor.dtype is not None and not tensor.floating:
        return f"holds {tensor.dtype}, and nudges need floats{nearest_floats(model, tensor)}"
    if tensor.name in model.sizes:
        return f"holds sizes, not data, and sizes can't be nudged{nearest_floats(model, tensor)}"
    if model.opsets.get("ai.onnx", 1) < OLDEST_OPSET:
        return f"can't be nudged: that takes operators of version {OLDEST_OPSET} or newer"
    inner = model.nested_by_path.get(tensor.name)
    if inner is not None and inner.refusal:
        return inner.refusal
    if inner is not None and inner.argument:
        return "is an argument of a loop's body; nudge what computes it"
    return None


def nearest_floats(model: Model, tensor: Tensor | None = None) -> str:
    """The first tensor of floats behind a place in execution order, as the end of a message.

    Args:
        model: The model.
        tensor: The place; None for the start.
    """
    names = [other.name for other in model.all_tensors]
    behind = model.all_tensors[names.index(tensor.name) + 1 :] if tensor else model.all_tensors
    for other in behind:
        if other.floating and not (other.is_input or other.constant or other.name in model.sizes):
            return f"; the nearest tensor of floats inside is {other.name!r}"
    return ""
