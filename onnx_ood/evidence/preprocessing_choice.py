"""Choice of the preprocessing that turns pictures into tensors."""

from __future__ import annotations

import numpy as np

from onnx_ood.graph import FedInput, Tensor
from onnx_ood.inputs import Card, Chosen, InputSource, RowRequest, choose
from onnx_ood.results.provenance import ModelFacts


def choose_preprocessing(
    fed: Tensor, source: InputSource, text: str | None, card: Card | None
) -> Chosen | None:
    """Choose the preprocessing: the user's, the model card's, or a guess.

    Args:
        fed: Model input that takes the pictures.
        source: The inputs.
        text: Specification by the user, as `onnx_ood.inputs.parse` takes it, or None.
        card: The model's card, or None.

    Returns:
        The preprocessing and its source; None if there are no pictures and neither user nor card states one.

    Raises:
        UsageError: If the specification is not understood or does not fit the model's input.
    """
    stated = text is not None or (card is not None and card.preprocessing is not None)
    if not stated and not source.pictures(row_request(fed)).items:
        return None
    return choose(fed.shape or (), text=text, card=card, dtype=fed.dtype)


def row_request(fed: Tensor) -> RowRequest:
    """Return the request for rows of a model input, by which pictures are recognised."""
    stored_axis = fed.batch_axis or 0 if isinstance(fed, FedInput) else 0
    return RowRequest(fed.name, fed.shape or (), np.dtype(fed.dtype or "float32"), stored_axis=stored_axis)


def preprocessing_notes(chosen: Chosen | None, card: Card | None, facts: ModelFacts) -> tuple[str, ...]:
    """Return notes on a preprocessing that may be wrong.

    Args:
        chosen: The preprocessing, or None.
        card: The model's card, or None.
        facts: Facts of the model file.
    """
    notes = []
    if card and card.sha256 and card.sha256 != facts.sha256:
        notes.append(
            f"The card {card.path.name} has another checksum than the model: it may describe another file."
        )
    if chosen and chosen.guessed:
        notes.append(
            "The preprocessing is a guess; if it is wrong, so are the numbers. Check it: onnx-ood preprocess MODEL "
            "PHOTOS"
        )
    return tuple(notes)
