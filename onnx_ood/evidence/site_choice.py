"""Choice of the tensor that an audit nudges."""

from __future__ import annotations

from collections.abc import Mapping

from onnx_ood._dialect import named
from onnx_ood.evidence.feeding import check_names
from onnx_ood.exceptions import UsageError
from onnx_ood.graph import Model, Tensor, measurable
from onnx_ood.runtime import find_site, first_input, why_no_site


def choose_site(model: Model, name: str | None, feeds: Mapping[str, str]) -> tuple[Tensor, tuple[str, ...]]:
    """Choose the tensor to nudge: the user's, the only input of floats without a feed, or the first inner floats.

    Args:
        model: The model.
        name: Name given by the user, or None.
        feeds: Values that all inputs share, by name of the model input.

    Returns:
        The tensor, and a note if it is an inner one because no input of floats is left.

    Raises:
        UsageError: If the user's site cannot be nudged, several inputs qualify, or a feed names no model input.
    """
    check_names(model, feeds)
    if name is not None:
        return find_site(model, name), ()
    free = [tensor for tensor in model.inputs if tensor.name not in feeds]
    # Scales, speeds and lengths come with data: they have one number for a run or an input.
    data = [tensor for tensor in free if tensor.shape is None or len(tensor.shape) > 1]
    floats = [tensor for tensor in data or free if tensor.floating]
    if len(floats) > 1:
        raise UsageError(
            f"{model.path} has several inputs of floats ({', '.join(tensor.name for tensor in floats)}); name the one "
            f"to nudge ({named('site', floats[0].name)}), or give the others' values "
            f"({named('feeds')})"
        )
    if floats:
        return find_site(model, floats[0].name), ()
    # Only tensors that depend on the fed input: one that depends on another input alone (a mask) is not a site.
    candidates = measurable(model, first_input(model, feeds)) if model.inputs else ()
    inside = [
        tensor
        for tensor in candidates
        if tensor.floating and not tensor.output and why_no_site(model, tensor) is None
    ]
    if not inside:
        return find_site(model, None), ()
    # A tensor without a second axis is a scale or a length, computed from the data.
    site = next((tensor for tensor in inside if tensor.shape is None or len(tensor.shape) > 1), inside[0])
    reason = "takes no floats"
    if any(tensor.floating for tensor in model.inputs):
        settings = [tensor.name for tensor in free if tensor.floating]
        listed = f" but settings ({', '.join(settings)})" if settings else ""
        reason = f"has no free input of floats{listed}"
    return site, (f"The model {reason}; it was nudged at {site.name}, the first inner tensor of floats.",)
