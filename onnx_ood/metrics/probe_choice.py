"""Choosing a few measurements that tell inputs apart and don't repeat each other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from onnx_ood._types import Float


class Choice(NamedTuple):
    """One measurement that was chosen.

    Attributes:
        at: Which.
        like: The one chosen before with which it is correlated most; None for the first.
    """

    at: int
    like: int | None


def reliability(values: ArrayLike, errors: ArrayLike) -> Float:
    """Share of the variance between inputs that repeating the measurement would give again.

    Spearman's reliability of classical test theory: observed variance is that of the truth and that of errors, so it is
    1 − mean e² / s², with s² the variance over inputs (F. M. Lord and M. R. Novick, Statistical Theories of Mental Test
    Scores, 1968, chapter 3).

    Args:
        values: What was measured of N inputs, [N, P], N ≥ 2.
        errors: Standard errors, [N, P].

    Returns:
        float64 [P], in [0, 1]; 0 where inputs don't differ.
    """
    measured = np.asarray(values, np.float64)
    observed = np.var(measured, axis=0, ddof=1)
    noise = np.mean(np.asarray(errors, np.float64) ** 2, axis=0)
    # Equal values differ from their mean by rounding at most.
    differ = observed > (4 * np.finfo(np.float64).eps * np.abs(measured).max(axis=0)) ** 2
    share = np.divide(noise, observed, out=np.ones_like(observed), where=differ)
    found: Float = np.clip(1 - share, 0, 1)
    return found


def correlations(values: ArrayLike) -> Float:
    """Absolute Pearson correlations over inputs.

    Args:
        values: [N, P], N ≥ 2.

    Returns:
        float64 [P, P]; 0 where one doesn't vary.
    """
    centred = np.asarray(values, np.float64)
    centred = centred - centred.mean(axis=0)
    norms = np.sqrt((centred**2).sum(axis=0))
    unit = np.divide(centred, norms, out=np.zeros_like(centred), where=norms > 0)
    found: Float = np.minimum(np.abs(unit.T @ unit), 1.0)
    return found


def choose(weights: ArrayLike, likeness: ArrayLike, least: float) -> list[Choice]:
    """Chooses greedily: each next has the largest weight × (1 − its largest likeness to one chosen before).

    Args:
        weights: What each is worth alone, [P]; 0 for what is out of the question.
        likeness: How far each repeats another, [P, P] in [0, 1].
        least: Nothing is chosen that adds less.

    Returns:
        The chosen ones in order; of equal ones the first comes first.
    """
    worth, alike = np.asarray(weights, np.float64), np.asarray(likeness, np.float64)
    chosen: list[Choice] = []
    while len(chosen) < len(worth):
        before = [one.at for one in chosen]
        gains = worth * (1 - alike[:, before].max(axis=1, initial=0.0))
        gains[before] = -np.inf
        best = int(gains.argmax())
        if gains[best] < least:
            break
        like = before[int(alike[best, before].argmax())] if before else None
        chosen.append(Choice(best, like))
    return chosen
