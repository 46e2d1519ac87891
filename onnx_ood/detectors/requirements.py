"""Checks of what detectors require of a model and of features."""

from __future__ import annotations

from typing import TypeVar

from onnx_ood.detectors.features import ModelInfo

T = TypeVar("T")


def required(part: T | None, name: str) -> T:
    """Return a part of the model or of the features.

    Args:
        part: The part; None if the model has none or it was not measured.
        name: Name of the part, for the message.

    Returns:
        The part.

    Raises:
        ValueError: If it is None: the detector's `why_not` or `needs` is incomplete.
    """
    if part is None:
        raise ValueError(f"{name} missing: check for it in the detector's why_not and list it in its needs")
    return part


def why_no_classes(info: ModelInfo) -> str | None:
    """Return why a model has no class probabilities, or None."""
    if info.probabilities is not None:
        return None
    reason = f": {info.no_scores}" if info.no_scores else ""
    return f"the model's output is not a vector of class scores{reason}"


def why_no_logits(info: ModelInfo) -> str | None:
    """Return why a model has no logits, or None."""
    if info.probabilities:
        return "the model returns probabilities, which do not keep the scale of the logits"
    return why_no_classes(info)


def why_no_layers(info: ModelInfo) -> str | None:
    """Return why a model has no layers to read, or None."""
    return None if info.layers else "the model has no layers with readable activations"


def why_no_head(info: ModelInfo) -> str | None:
    """Return why a model has no linear head, or None."""
    if info.head is not None:
        return None
    reason = f": {info.no_head}" if info.no_head else ""
    return f"the model's output is not computed by a linear layer{reason}"


def why_not_rectified(info: ModelInfo) -> str | None:
    """Return why a model has no linear head with nonnegative features, or None."""
    if info.head is not None and not info.head.rectified:
        return "the features of the model's linear layer can be negative (as in ViT and Swin)"
    return why_no_head(info)
