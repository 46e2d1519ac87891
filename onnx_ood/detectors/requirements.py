"""What detectors that read a classifier's output share."""

from __future__ import annotations

import numpy as np

from onnx_ood._types import Float
from onnx_ood.detectors.features import Features, LinearHead, ModelInfo


def logits_of(evidence: Features) -> Float:
    """The logits, [N, C]."""
    assert evidence.logits is not None
    return evidence.logits


def features_of(evidence: Features) -> Float:
    """What the linear head reads, [N, D]."""
    assert evidence.features is not None
    return evidence.features


def head_of(info: ModelInfo) -> LinearHead:
    """The linear head."""
    assert info.head is not None
    return info.head


def reference_of(reference: Features | None) -> Features:
    """What was measured of reference inputs."""
    assert reference is not None
    return reference


def softmax(logits: Float) -> Float:
    """exp(z) / Σ exp(z) along the last axis, without overflow."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: Float = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def log_sum_exp(logits: Float) -> Float:
    """The log of Σ exp(z) along the last axis, without overflow."""
    largest = logits.max(axis=-1, keepdims=True)
    total: Float = largest[..., 0] + np.log(np.exp(logits - largest).sum(axis=-1))
    return total


def why_no_classes(info: ModelInfo) -> str | None:
    """Why a model has no class probabilities."""
    return "the model's output is no row of class scores" if info.probabilities is None else None


def why_no_logits(info: ModelInfo) -> str | None:
    """Why a model has no logits."""
    if info.probabilities:
        return "the model gives probabilities, which have lost the scale of its logits"
    return why_no_classes(info)


def why_no_layers(info: ModelInfo) -> str | None:
    """Why a model has no layers."""
    return None if info.layers else "it has no layers whose activations can be read"


def why_no_head(info: ModelInfo) -> str | None:
    """Why a model has no linear head."""
    return "no linear layer gives the model's output" if info.head is None else None


def why_not_rectified(info: ModelInfo) -> str | None:
    """Why shaping the features of a model makes no sense."""
    reason = why_no_head(info)
    if reason is None and not head_of(info).rectified:
        reason = "the features of its linear layer can be negative, for which it breaks (as on ViT and Swin)"
    return reason
