"""How the pictures that an audit is given become tensors."""

from __future__ import annotations

from onnx_ood.graph import Tensor
from onnx_ood.inputs import Card, Chosen, Discovery, choose, is_picture


def choose_preprocessing(fed: Tensor, found: Discovery, text: str | None, card: Card | None) -> Chosen | None:
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
    pictures = any(map(is_picture, found.paths))
    if not pictures and text is None and (card is None or card.preprocessing is None):
        return None
    return choose(fed.shape or (), text=text, card=card)
