"""Choice of the tensor that an audit nudges."""

from __future__ import annotations

from collections.abc import Mapping

from onnx_ood._dialect import named
from onnx_ood.evidence.feeding import check_names
from onnx_ood.exceptions import UsageError
from onnx_ood.graph import Model, Tensor, measurable
from onnx_ood.runtime import find_site, first_input


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
    floats = [tensor for tensor in model.inputs if tensor.floating and tensor.name not in feeds]
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
    inside = [tensor for tensor in candidates if tensor.floating and not tensor.output]
    if not inside:
        return find_site(model, None), ()
    takes_floats = any(tensor.floating for tensor in model.inputs)
    reason = "has no free input of floats" if takes_floats else "takes no floats"
    return inside[0], (
        f"The model {reason}; it was nudged at {inside[0].name}, the first inner tensor of floats.",
    )
