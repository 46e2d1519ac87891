"""Combination of several detectors' scores, each in standard deviations of held-out references.

A scorer that learned from a reference gives it too low a score: with few references, distances from a covariance that
was fitted to them are far smaller than those of new inputs like them. So mean and spread are those of held-out scores:
each reference is scored by a scorer that learned from others only. This makes scores of detectors comparable; what they
are combined to is not a p-value (see `onnx_ood.detectors.calibration.conformal`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.metrics.ranking import average_ranks

# Added to distances: a distance of exactly 0 has no logarithm.
_EPSILON = 1e-12


class Inputs(Protocol):
    """Values of N inputs, such as `Features`."""

    def __len__(self) -> int: ...

    def rows(self, which: NDArray[np.intp]) -> Self:
        """Return the values of some of the inputs."""


Known = TypeVar("Known", bound=Inputs)


def held_out_scores(
    fit: Callable[[Known], Callable[[Known], Float]],
    reference: Known,
    folds: int,
    altered: Sequence[tuple[Known, NDArray[np.intp]]] = (),
) -> tuple[Float, list[Float]]:
    """Score each reference by a scorer that did not learn from it (cross-validation).

    Reference i is in fold i mod `folds`; each fold is scored by a scorer fitted to all others. With as many folds as
    references this is leave-one-out.

    Args:
        fit: Fits a scorer to references.
        reference: Values of n references, such as their features.
        folds: Number of folds, from 2 to n.
        altered: Values of altered references, and the index of the reference that each was made from, [n_k], for each
            alteration. Each is scored by the scorer of its reference.

    Returns:
        Scores of the references, float64 [n], in their order, and of the altered ones, float64 [n_k] each.

    Raises:
        ValueError: If the number of folds is out of range.
    """
    count = len(reference)
    if not 2 <= folds <= count:
        raise ValueError(f"{folds} folds for {count} references; choose from 2 to the number of references")
    fold = np.arange(count) % folds
    scores, of_altered = np.empty(count), [np.empty(len(of)) for _, of in altered]
    for held in range(folds):
        scorer = fit(reference.rows(np.flatnonzero(fold != held)))
        scores[fold == held] = scorer(reference.rows(np.flatnonzero(fold == held)))
        for found, (values, of) in zip(of_altered, altered, strict=True):
            rows = np.flatnonzero(fold[of] == held)
            found[rows] = scorer(values.rows(rows))
    return scores, of_altered


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


def soft_maximum(values: Float, temperature: float) -> Float:
    """Return T·log(mean exp(v / T)) over the last axis, with T the temperature.

    Between the mean, which it approaches for a large T, and the maximum, for a small one. One large value raises the
    result whatever the others are, while in a sum small values cancel it.

    Args:
        values: float64 [N, K].
        temperature: T, above 0.

    Returns:
        float64 [N].

    >>> soft_maximum(np.array([[3.0, 3.0], [6.0, -60.0]]), temperature=1).round(3)
    array([3.   , 5.307])
    """
    scaled = values / temperature
    found: Float = temperature * (np.logaddexp.reduce(scaled, axis=1) - np.log(values.shape[1]))
    return found


def separation(references: Float, altered: Sequence[Float]) -> float:
    """Return how well a score separates altered references from references, from 0 (not at all) to 1 (perfectly).

    Args:
        references: Held-out scores of references, float64 [n].
        altered: Held-out scores of altered references, one float64 [n_k] per alteration, at least one.

    Returns:
        2·AUROC − 1, with the mean AUROC over alterations; 0 if that is below ½.
    """
    count = len(references)
    areas = []
    for one in altered:
        ranks = average_ranks(np.concatenate([references, one]))[count:]
        areas.append((ranks.mean() - (len(one) + 1) / 2) / count)
    return max(2 * float(np.mean(areas)) - 1, 0.0)
