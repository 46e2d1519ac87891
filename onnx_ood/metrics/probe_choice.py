"""Choice of a few reliable measurements that are not redundant."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from onnx_ood._types import Float


class Choice(NamedTuple):
    """A chosen measurement.

    Attributes:
        at: Its index.
        most_similar: Index of the most similar one chosen before; None for the first.
    """

    at: int
    most_similar: int | None


def reliability(values: ArrayLike, errors: ArrayLike) -> Float:
    """Fraction of the variance between inputs that is not measurement error.

    Spearman's reliability of classical test theory: observed variance is that of the truth and that of errors, so it is
    1 − mean e² / s², with s² the variance over inputs (F. M. Lord and M. R. Novick, Statistical Theories of Mental Test
    Scores, 1968, chapter 3).

    Args:
        values: P measurements of N ≥ 2 inputs, [N, P].
        errors: Standard errors, [N, P].

    Returns:
        float64 [P], in [0, 1]; 0 if inputs don't differ.

    >>> reliability([[1.0], [3.0]], [[1.0], [1.0]])
    array([0.5])
    """
    measured = np.asarray(values, np.float64)
    observed = np.var(measured, axis=0, ddof=1)
    noise = np.mean(np.asarray(errors, np.float64) ** 2, axis=0)
    # Equal values differ from their mean by rounding at most.
    differ = observed > (4 * np.finfo(np.float64).eps * np.abs(measured).max(axis=0)) ** 2
    fraction = np.divide(noise, observed, out=np.ones_like(observed), where=differ)
    found: Float = np.clip(1 - fraction, 0, 1)
    return found


def correlations(values: ArrayLike) -> Float:
    """Absolute Pearson correlations over inputs.

    Args:
        values: [N, P], N ≥ 2.

    Returns:
        float64 [P, P]; 0 for a measurement that doesn't vary.

    >>> correlations([[1, 3], [2, 2], [3, 1]]).round(12)
    array([[1., 1.],
           [1., 1.]])
    """
    centred = np.asarray(values, np.float64)
    centred = centred - centred.mean(axis=0)
    norms = np.sqrt((centred**2).sum(axis=0))
    unit = np.divide(centred, norms, out=np.zeros_like(centred), where=norms > 0)
    found: Float = np.minimum(np.abs(unit.T @ unit), 1.0)
    return found


def choose(weights: ArrayLike, similarity: ArrayLike, min_gain: float) -> list[Choice]:
    """Choose greedily by weight × (1 − largest similarity to one chosen before).

    Args:
        weights: Value of each measurement alone, [P]; 0 excludes it.
        similarity: Redundancy of each pair, [P, P] in [0, 1].
        min_gain: Smallest product that is chosen.

    Returns:
        The chosen ones in order; of equal ones the first comes first.

    >>> choose([0.9, 0.8, 0.5], [[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]], min_gain=0.2)
    [Choice(at=0, most_similar=None), Choice(at=2, most_similar=0)]
    """
    worth, similar = np.asarray(weights, np.float64), np.asarray(similarity, np.float64)
    chosen: list[Choice] = []
    while len(chosen) < len(worth):
        before = [one.at for one in chosen]
        gains = worth * (1 - similar[:, before].max(axis=1, initial=0.0))
        gains[before] = -np.inf
        best = int(gains.argmax())
        if gains[best] < min_gain:
            break
        most_similar = before[int(similar[best, before].argmax())] if before else None
        chosen.append(Choice(best, most_similar))
    return chosen
