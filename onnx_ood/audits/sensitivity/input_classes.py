"""Whose classes the inputs of an audit are in: the user's, or the model's own answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from onnx_ood.inputs import Classes
from onnx_ood.results.base import Prediction

ANSWERS = "the model's own answers"
"""Source of classes if they are the model's predictions instead of a file."""


class InputClasses(NamedTuple):
    """Classes of N inputs.

    Attributes:
        of: The class of each, None for those without.
        source: Whose they are; None if no input has one.
        note: How many are without one, or empty.
    """

    of: tuple[str | None, ...]
    source: str | None
    note: str


def classes_of(
    ids: Sequence[str], predictions: Sequence[Prediction | None], given: Classes | None
) -> InputClasses:
    """Settles the classes of inputs.

    Args:
        ids: Names of the inputs.
        predictions: Prediction of the model for each.
        given: What the user says, or None to go by the model.

    Returns:
        The classes.

    Raises:
        UsageError: If what the user says is ambiguous for an input.
    """
    if given is None:
        of = tuple(
            None if one is None else one.label if one.index is None else str(one.index) for one in predictions
        )
        return InputClasses(of, ANSWERS if any(of) else None, "")
    of = tuple(given.of(name) for name in ids)
    left = of.count(None)
    note = (
        f"{left} of {len(of)} inputs have no class in {given.path}: no ellipse of classes goes through them."
        if left
        else ""
    )
    return InputClasses(of, str(given.path), note)
