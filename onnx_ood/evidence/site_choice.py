"""Which tensor an audit nudges."""

from __future__ import annotations

from collections.abc import Mapping

from onnx_ood.evidence.feeding import check_names
from onnx_ood.exceptions import UsageError
from onnx_ood.graph import Model, Tensor, measurable
from onnx_ood.runtime import find_site, first_input


def choose_site(model: Model, name: str | None, feeds: Mapping[str, str]) -> tuple[Tensor, tuple[str, ...]]:
    """The tensor to nudge: the user's, the only input of floats that the files can feed, or the first floats inside.

    Args:
        model: The model.
        name: What the user says, or None.
        feeds: Values that all inputs share, by the name of the model's input.

    Returns:
        The tensor, and a note if it was chosen inside because no input of floats is left to feed.

    Raises:
        UsageError: If the user's site can't be nudged, several inputs could be meant, or a feed is for no input.
    """
    check_names(model, feeds)
    if name is not None:
        return find_site(model, name), ()
    floats = [tensor for tensor in model.inputs if tensor.floating and tensor.name not in feeds]
    if len(floats) > 1:
        raise UsageError(
            f"{model.path} has several inputs of floats ({', '.join(tensor.name for tensor in floats)}): name the one "
            "to nudge with --site, or state the others' values with --feed"
        )
    if floats:
        return find_site(model, floats[0].name), ()
    # Behind the input that the files feed: what another one gives (a mask) is no place for a nudge.
    candidates = measurable(model, first_input(model, feeds)) if model.inputs else ()
    inside = [tensor for tensor in candidates if tensor.floating and not tensor.output]
    if not inside:
        return find_site(model, None), ()
    takes_floats = any(tensor.floating for tensor in model.inputs)
    reason = "is fed no floats by the files" if takes_floats else "takes no floats"
    return inside[0], (
        f"The model {reason}: it was nudged at {inside[0].name}, the first tensor of floats inside.",
    )
