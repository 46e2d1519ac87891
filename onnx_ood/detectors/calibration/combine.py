"""Combination of several detectors' scores: each in standard deviations of held-out references, then summed.

A scorer that learned from a reference gives it too low a score: with few references, distances from a covariance that
was fitted to them are far smaller than those of new inputs like them. So mean and spread are those of held-out scores:
each reference is scored by a scorer that learned from others only. This makes scores of detectors comparable; their sum
is not a p-value (see `onnx_ood.detectors.calibration.conformal`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float

# Added to distances: a distance of exactly 0 has no logarithm.
_EPSILON = 1e-12


class Inputs(Protocol):
    """Values of N inputs, such as `Features`."""

    def __len__(self) -> int: ...

    def rows(self, which: NDArray[np.intp]) -> Self:
        """Return the values of some of the inputs."""


Known = TypeVar("Known", bound=Inputs)


def held_out_scores(fit: Callable[[Known], Callable[[Known], Float]], reference: Known, folds: int) -> Float:
    """Score each reference by a scorer that did not learn from it (cross-validation).

    Reference i is in fold i mod `folds`; each fold is scored by a scorer fitted to all others. With as many folds as
    references this is leave-one-out.

    Args:
        fit: Fits a scorer to references.
        reference: Values of n references, such as their features.
        folds: Number of folds, from 2 to n.

    Returns:
        Scores, float64 [n], in the order of the references.

    Raises:
        ValueError: If the number of folds is out of range.
    """
    count = len(reference)
    if not 2 <= folds <= count:
        raise ValueError(f"{folds} folds for {count} references; choose from 2 to the number of references")
    fold = np.arange(count) % folds
    scores = np.empty(count)
    for held in range(folds):
        scorer = fit(reference.rows(np.flatnonzero(fold != held)))
        scores[fold == held] = scorer(reference.rows(np.flatnonzero(fold == held)))
    return scores


def z_scores(scores: Float, held_out: Float, *, distance: bool) -> Float:
    """Return (s − mean) / standard deviation, both of held-out references; logarithms of distances.

    Distances are positive with a long tail; their logarithms are closer to normal.

    Args:
        scores: Scores of new inputs, float64 [N].
        held_out: Held-out scores of n references, float64 [n], n at least 2.
        distance: True if the scores are distances, at least 0.

    Returns:
        z-scores, float64 [N]; higher = more out-of-distribution. All 0 if the references' scores do not differ.

    Raises:
        ValueError: If there are fewer than two references.

    >>> z_scores(np.array([2.0, 4.0]), np.array([1.0, 2.0, 3.0]), distance=False)
    array([0., 2.])
    """
    if len(held_out) < 2:
        raise ValueError(f"a spread needs at least 2 references, found {len(held_out)}")
    if distance:
        scores, held_out = np.log(scores + _EPSILON), np.log(held_out + _EPSILON)
    spread = float(held_out.std(ddof=1)) if np.ptp(held_out) > 0 else 0.0
    return (scores - held_out.mean()) / spread if spread > 0 else np.zeros_like(scores)


def combined_score(scores: Float, held_out: Float, distances: Sequence[bool]) -> Float:
    """Sum the z-scores of K detectors.

    Args:
        scores: Scores of new inputs, float64 [N, K].
        held_out: Held-out scores of n references, float64 [n, K].
        distances: For each detector, whether its scores are distances, of which logarithms are taken; [K].

    Returns:
        The sum, float64 [N]; higher = more out-of-distribution.

    Raises:
        ValueError: If the numbers of detectors differ, or there are fewer than two references.
    """
    total: Float = np.sum(
        [
            z_scores(score, known, distance=distance)
            for score, known, distance in zip(scores.T, held_out.T, distances, strict=True)
        ],
        axis=0,
    )
    return total
