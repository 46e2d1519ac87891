"""What a classifier's answer about an input tells about its answers about copies of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onnx_ood._types import Float

DOUBT = 0.001
"""Share of a uniform distribution that is mixed into an answer before its logarithm: one photo of which a model is sure
and wrong must not outweigh all others."""


def mutual_information_bound(clean: Float, copies: Sequence[Float], weights: Float) -> Float:
    """A lower bound of the information, in nats, that the answer about an input has on that about a copy of it.

    I = H(q) − Σ_i w_i · mean over copies of H(p'_i, p̃_i), with p_i the answer about input i, p'_i that about its copy,
    q the mean of p' over inputs and copies, H(q) its entropy, H(p', p̃) = −Σ_c p'_c · log p̃_c and
    p̃ = 0.999·p + 0.001 / C. It is 0 where all answers are the same, or all are uniform; below 0 where the answer
    about a copy contradicts a sure answer about the input; and at most log C.

    The bound is that of D. Barber and F. Agakov, NIPS 2003.

    Args:
        clean: Class probabilities, [N, C].
        copies: The same of each kind of copies, [N, C].
        weights: Of inputs, [B, N], each row with the sum 1: resamples.

    Returns:
        [B].
    """
    logs = np.log((1 - DOUBT) * clean + DOUBT / clean.shape[1])
    surprise = np.mean([-(copy * logs).sum(axis=1) for copy in copies], axis=0)
    kept: Float = entropy(weights @ np.mean(copies, axis=0)) - weights @ surprise
    return kept


def entropy(shares: Float) -> Float:
    """−Σ p·log p along the last axis, in nats; 0·log 0 is 0."""
    found: Float = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(axis=-1)
    return found
