"""Choice of the preprocessing that turns pictures into tensors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from onnx_ood.graph import FedInput, Model, Tensor
from onnx_ood.inputs import Card, Chosen, InputSource, RowRequest, choose, read_card, read_labels
from onnx_ood.results.note_order import GUESS, OTHER_CHECKSUM
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
    if not stated and not source.kinds(row_request(fed))[0]:
        return None
    return applied_to(
        choose(fed.shape or (), text=text, card=card, dtype=fed.dtype), row_request(fed), source
    )


def applied_to(chosen: Chosen, request: RowRequest, source: InputSource) -> Chosen:
    """State which of some inputs a preprocessing is applied to.

    Args:
        chosen: The preprocessing.
        request: The model's input.
        source: The inputs.
    """
    pictures, others = source.kinds(request)
    return replace(chosen, applies="all" if not others else "some" if pictures else "none")


def find_card(model: Model) -> Card | None:
    """Read the card of a model, or what else is published with it.

    Args:
        model: The model.

    Raises:
        UsageError: If the card cannot be read.
    """
    metadata = {one.key: one.value for one in model.proto.metadata_props}
    shapes = (tensor.shape for tensor in model.inputs)
    return read_card(model.path, metadata, next((one for one in shapes if one and len(one) == 4), None))


def find_class_names(labels: Path | None, card: Card | None) -> list[str] | None:
    """Return class names: those of the user's file, else the model's; None without.

    Args:
        labels: The user's file, or None.
        card: The model's card, or None.

    Raises:
        UsageError: If the file cannot be read.
    """
    if labels is not None:
        return read_labels(labels)
    return card.class_names() if card else None


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
        notes.append(f"The card {card.path.name} {OTHER_CHECKSUM}: it may describe another file.")
    if chosen and chosen.guessed:
        notes.append(
            f"{GUESS}; if it is wrong, so are the numbers. Check it: onnx-ood preprocess MODEL PHOTOS"
        )
    return tuple(notes)
