"""Two-sided deviation of an input's cosine drops from those of other inputs; needs no labels.

Whether an out-of-distribution input's drops are larger or smaller than those of others depends on model, layer, nudge
and input. So the score is a distance without a direction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.metrics.quantiles import Values

MIN_INPUTS = 8
"""Fewest inputs that median and spread are computed from."""

# Scales the median absolute deviation of normal data to its standard deviation: 1/Φ⁻¹(¾).
_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class RobustStats:
    """Median and spread of the log drops of inputs, at each of P probes.

    Attributes:
        floor: Noise floor, float64 [P], above 0; smaller drops count as the floor.
        centre: Median of the log drops, float64 [P].
        spread: Their scaled median absolute deviation, float64 [P].
    """

    floor: Float
    centre: Float
    spread: Float

    @property
    def used(self) -> NDArray[np.bool_]:
        """Probes with any spread, bool [P]."""
        differ: NDArray[np.bool_] = self.spread > 0
        return differ


@dataclass(frozen=True)
class Deviations:
    """Deviations of N inputs from the median of others.

    Attributes:
        score: Root mean square of `deviations` over used probes, float64 [N]; higher = more unusual.
        deviations: Robust z-score of each input at each probe, float64 [N, P]: positive for a drop above the median; 0
            at probes without spread.
        used: Probes with any spread, bool [P].
    """

    score: Float
    deviations: Float
    used: NDArray[np.bool_]


def robust_stats(columns: Iterable[Values], floor: Float) -> RobustStats | None:
    """Compute median and spread of the log drops of inputs, one probe after another.

    Args:
        columns: Mean cosine drops of M inputs for each of P probes; they need not fit into memory.
        floor: Noise floor of each probe, float64 [P], above 0; smaller drops count as the floor.

    Returns:
        The statistics, or None if no probe has `MIN_INPUTS` inputs and any spread.
    """
    centre, spread = np.zeros(len(floor)), np.zeros(len(floor))
    for p, drops in enumerate(columns):
        if drops.count < MIN_INPUTS:
            continue
        logs = drops.map(partial(_log, floor=floor[p]))
        centre[p] = logs.median()
        spread[p] = _MAD_TO_SIGMA * logs.map(partial(_distance, centre=centre[p])).median()
    found = RobustStats(floor, centre, spread)
    return found if found.used.any() else None


def robust_z(drops: Float, errors: Float, stats: RobustStats) -> Deviations:
    """Compute robust z-scores of log drops.

    z = (log drop − median) / √(σ² + e²) at each probe, with σ the scaled median absolute deviation and e the standard
    error of the log drop over copies: the less certain a drop, the less it counts.

    Args:
        drops: Mean cosine drops over copies, float64 [N, P]; NaN is left out of the score.
        errors: Their standard errors, float64 [N, P]; NaN (a single copy) counts as 0.
        stats: Statistics at the P probes.

    Returns:
        The deviations.
    """
    used = stats.used
    raised = np.maximum(drops, stats.floor)
    scale = np.sqrt(stats.spread**2 + (np.nan_to_num(errors) / raised) ** 2)
    deviations = np.divide(np.log(raised) - stats.centre, scale, out=np.zeros_like(raised), where=used)
    squares = deviations[:, used] ** 2
    known = ~np.isnan(squares)
    if known.all():
        score = np.sqrt(np.mean(squares, axis=1))
    else:
        score = np.sqrt(np.where(known, squares, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1))
    return Deviations(score, deviations, used)


def deviation_score(
    drops: Float, errors: Float, floor: Float, reference: Float | None = None
) -> Deviations | None:
    """Compute robust z-scores of log drops against those of other inputs.

    Args:
        drops: Mean cosine drops over copies, float64 [N, P].
        errors: Their standard errors, float64 [N, P]; NaN (a single copy) counts as 0.
        floor: Noise floor of each probe, float64 [P], above 0; smaller drops count as the floor.
        reference: Drops of the inputs to compare with, float64 [M, P]; None for `drops` themselves.

    Returns:
        The deviations, or None for fewer than `MIN_INPUTS` inputs to compare with or if no probe has any spread.

    >>> drops = np.array([[1e-3], [2e-3], [1e-3], [2e-3], [1e-3], [2e-3], [1e-3], [8e-3]])
    >>> found = deviation_score(drops, np.zeros_like(drops), np.array([1e-12]))
    >>> int(found.score.argmax())
    7
    """
    stats = robust_stats(map(Values.of, (drops if reference is None else reference).T), floor)
    return None if stats is None else robust_z(drops, errors, stats)


def _log(drops: Float, floor: float) -> Float:
    logs: Float = np.log(np.maximum(drops, floor))
    return logs


def _distance(logs: Float, centre: float) -> Float:
    distances: Float = np.abs(logs - centre)
    return distances
