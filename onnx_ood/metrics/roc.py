"""ROC curves, as the corners of their lines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from onnx_ood._types import Float
from onnx_ood.metrics.detection import nan_to_inf


def roc(ordinary: ArrayLike, strange: ArrayLike) -> tuple[Float, Float]:
    """The ROC curve; the area below is the AUROC, ties counted half.

    Args:
        ordinary: Scores of ordinary inputs, [m], m ≥ 1.
        strange: Scores of out-of-distribution inputs, [n], n ≥ 1.

    Returns:
        Shares of ordinary and of out-of-distribution inputs that score as high as each threshold, for descending
        thresholds: from (0, 0) to (1, 1), each [1 + number of different scores].
    """
    low, high = np.sort(nan_to_inf(ordinary)), np.sort(nan_to_inf(strange))
    thresholds = np.unique(np.concatenate([low, high]))[::-1]
    across, up = (
        np.concatenate([[0.0], 1 - np.searchsorted(scores, thresholds, side="left") / len(scores)])
        for scores in (low, high)
    )
    return across, up


def mean_roc(curves: Sequence[tuple[Float, Float]]) -> tuple[Float, Float]:
    """The mean of ROC curves at each share of ordinary inputs; the area below is the mean of theirs.

    Args:
        curves: As `roc` gives them, of the same ordinary inputs.

    Returns:
        The mean as a curve of [2 k] corners: at each of k shares where it begins to go straight up, and where it ends.
    """
    shares = np.unique(np.concatenate([across for across, _ in curves]))
    ends = np.mean([_ends(shares, *curve) for curve in curves], axis=0)
    return np.repeat(shares, 2), ends.T.ravel()


def _ends(shares: Float, across: Float, up: Float) -> Float:
    """Lower and upper end of a curve at each share, [2, k]; they differ where it goes straight up."""
    corners, first, count = np.unique(across, return_index=True, return_counts=True)
    low, high = up[first], up[first + count - 1]
    right = np.searchsorted(corners, shares)
    left = np.maximum(right - 1, 0)
    width = np.where(right > left, corners[right] - corners[left], 1)
    between = high[left] + (shares - corners[left]) / width * (low[right] - high[left])
    at_corner = corners[right] == shares
    return np.where(at_corner, np.stack([low[right], high[right]]), between)
