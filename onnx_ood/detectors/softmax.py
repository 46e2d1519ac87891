"""Softmax and log-sum-exp without overflow."""

from __future__ import annotations

import numpy as np

from onnx_ood._types import Float


def softmax(logits: Float) -> Float:
    """Return exp(z) / Σ exp(z) along the last axis.

    Args:
        logits: z, float64 [..., C].

    Returns:
        Probabilities, float64 [..., C].

    >>> softmax(np.array([1000.0, 1000.0]))
    array([0.5, 0.5])
    """
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: Float = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def log_sum_exp(logits: Float) -> Float:
    """Return log Σ exp(z) along the last axis, the negative free energy.

    Args:
        logits: z, float64 [..., C].

    Returns:
        Sums, float64 [...].

    >>> float(log_sum_exp(np.array([0.0, 0.0])).round(4))
    0.6931
    """
    largest = logits.max(axis=-1, keepdims=True)
    total: Float = largest[..., 0] + np.log(np.exp(logits - largest).sum(axis=-1))
    return total
