"""The published score: the smaller the cosine drop, the more out-of-distribution."""

from __future__ import annotations

import numpy as np

from onnx_ood._types import Float


def published_score(drops: Float, floor: Float) -> Float:
    """Score inputs by how little their activations rotate.

    On real data the published claim is often inverted: activations of smooth, blurred and flat images rotate *more*.
    The score is reported for comparison only.

    Args:
        drops: Mean cosine drop of each input at each probe, float64 [N, P].
        floor: Noise floor of each probe, float64 [P], above 0; smaller drops count as the floor.

    Returns:
        −mean over probes of log₁₀(drop), float64 [N]; higher = more out-of-distribution as published.

    >>> published_score(np.array([[1e-3, 1e-5]]), np.array([1e-12, 1e-12]))
    array([4.])
    """
    score: Float = -np.log10(np.maximum(drops, floor)).mean(axis=1)
    return score
