"""Several detectors' scores as one: each in standard deviations of what good inputs get, then summed.

A reference's own score flatters it if the scorer learnt from it: with few references, distances from a covariance that
was fitted to them are far smaller than those of new inputs just like them. So what is usual is learnt from held-out
scores: each reference is scored by a scorer that learnt from others only. That makes scores of detectors comparable; it
doesn't make their sum a p-value. For that, see `onnx_ood.detectors.calibration.conformal`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from onnx_ood._types import Float
from onnx_ood.detectors.base import FittedDetector
from onnx_ood.detectors.features import Features

# A distance of exactly 0 has no logarithm.
_SMALLEST = 1e-12


def held_out_scores(fit: Callable[[Features], FittedDetector], reference: Features, folds: int) -> Float:
    """Scores of references by scorers that didn't learn from them.

    Reference i is in fold i mod `folds`; each fold is scored by a scorer that learnt from all others. As many folds as
    references is leaving one out.

    Args:
        fit: Makes a scorer from references.
        reference: What was measured of n references.
        folds: Number of folds, from 2 to n.

    Returns:
        Scores, float64 [n], in the order of the references.

    Raises:
        ValueError: If the number of folds is out of range.
    """
    count = len(reference)
    if not 2 <= folds <= count:
        raise ValueError(f"{count} references can't be shared out to {folds} folds")
    fold = np.arange(count) % folds
    scores = np.empty(count)
    for held in range(folds):
        scorer = fit(reference.rows(np.flatnonzero(fold != held)))
        scores[fold == held] = scorer(reference.rows(np.flatnonzero(fold == held)))
    return scores


def z_scores(scores: Float, usual: Float, *, distance: bool) -> Float:
    """(s − mean) / standard deviation, both over what references get, held out; of distances the logarithms.

    Distances are positive and have a long tail: a standard deviation says more of their logarithms.

    Args:
        scores: Scores of new inputs, float64 [N].
        usual: Scores of n references, held out, float64 [n], n at least 2.
        distance: True if the scores are distances, 0 at least.

    Returns:
        z-scores, float64 [N]; higher = more out-of-distribution. All 0 if the references' scores don't differ: where
        there is no measure of what is usual, a score says nothing.

    Raises:
        ValueError: If there are fewer than two references.
    """
    if len(usual) < 2:
        raise ValueError(f"a spread needs two references, not {len(usual)}")
    if distance:
        scores, usual = np.log(scores + _SMALLEST), np.log(usual + _SMALLEST)
    spread = float(usual.std(ddof=1)) if np.ptp(usual) > 0 else 0.0
    return (scores - usual.mean()) / spread if spread > 0 else np.zeros_like(scores)


def combined_score(scores: Float, usual: Float, distances: Sequence[bool]) -> Float:
    """The sum of the z-scores of K detectors.

    Args:
        scores: Scores of new inputs, float64 [N, K].
        usual: Scores of n references, held out, float64 [n, K].
        distances: For each detector, whether its scores are distances, which are taken in logarithms; [K].

    Returns:
        The sum, float64 [N]; higher = more out-of-distribution.

    Raises:
        ValueError: If the numbers of detectors differ, or there are fewer than two references.
    """
    total: Float = np.sum(
        [
            z_scores(score, other, distance=distance)
            for score, other, distance in zip(scores.T, usual.T, distances, strict=True)
        ],
        axis=0,
    )
    return total
