"""Mutual information of a classifier's predictions for inputs and for altered copies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onnx_ood._types import Float

UNIFORM_WEIGHT = 0.001
"""Weight of a uniform distribution mixed into predictions before their logarithm, so that one confident and wrong
prediction does not outweigh all others."""


def mutual_information_bound(clean: Float, copies: Sequence[Float], weights: Float) -> Float:
    """Lower bound of the mutual information of predictions for an input and for a copy, in nats.

    I = H(q) − Σ_i w_i · mean over copies of H(p'_i, p̃_i), with p_i the prediction for input i, p'_i that for its copy,
    q the mean of p' over inputs and copies, H(q) its entropy, H(p', p̃) = −Σ_c p'_c · log p̃_c and
    p̃ = 0.999·p + 0.001 / C (D. Barber and F. Agakov, "The IM algorithm", NIPS 2003). It is 0 if all predictions are
    equal, or all are uniform; negative if predictions for copies contradict confident ones for inputs; at most log C.

    Args:
        clean: Class probabilities, [N, C].
        copies: Class probabilities of each kind of copies, [N, C] each.
        weights: Weights of inputs in each of B resamples, [B, N], rows with the sum 1.

    Returns:
        float64 [B].

    >>> certain = np.eye(4)
    >>> mutual_information_bound(certain, [certain], np.full((1, 4), 0.25)).round(2)  # log 4, almost
    array([1.39])
    """
    logs = np.log((1 - UNIFORM_WEIGHT) * clean + UNIFORM_WEIGHT / clean.shape[1])
    cross_entropy = np.mean([-(copy * logs).sum(axis=1) for copy in copies], axis=0)
    bound: Float = entropy(weights @ np.mean(copies, axis=0)) - weights @ cross_entropy
    return bound


def entropy(probabilities: Float) -> Float:
    """Entropy −Σ p·log p along the last axis, in nats; 0·log 0 is 0.

    >>> entropy(np.array([0.5, 0.5, 0.0])).round(4).item()
    0.6931
    """
    found: Float = -(probabilities * np.log(np.where(probabilities > 0, probabilities, 1))).sum(axis=-1)
    return found
