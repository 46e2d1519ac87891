"""How the pictures that an audit is given become tensors."""

from __future__ import annotations

import numpy as np

from onnx_ood.graph import Tensor
from onnx_ood.inputs import Card, Chosen, InputSource, RowRequest, choose
from onnx_ood.results.provenance import ModelFacts


def choose_preprocessing(
    fed: Tensor, found: InputSource, text: str | None, card: Card | None
) -> Chosen | None:
    """Settles it.

    Args:
        fed: The input of the model that takes the pictures.
        found: The files.
        text: What the user says, in the grammar of `onnx_ood.inputs.parse`, or None.
        card: The model's card, or None.

    Returns:
        The preprocessing and where it comes from, or None if there are no pictures and nobody said how they were made.

    Raises:
        UsageError: If the text isn't understood, or doesn't suit the input.
    """
    request = RowRequest(fed.name, fed.shape or (), np.dtype(fed.dtype or "float32"))
    if not found.pictures(request).items and text is None and (card is None or card.preprocessing is None):
        return None
    return choose(fed.shape or (), text=text, card=card)


def preprocessing_notes(chosen: Chosen | None, card: Card | None, facts: ModelFacts) -> tuple[str, ...]:
    """What makes it doubtful, for the user.

    Args:
        chosen: The preprocessing, or None if there are no pictures.
        card: The model's card, or None.
        facts: What there is to say of the model file.
    """
    notes = []
    if card and card.sha256 and card.sha256 != facts.sha256:
        notes.append(
            f"The card {card.path.name} has another checksum than the model: it may describe another file."
        )
    if chosen and chosen.guessed:
        notes.append(
            "The preprocessing is a guess; if it is wrong, so are the numbers. State it with --preprocess."
        )
    return tuple(notes)
