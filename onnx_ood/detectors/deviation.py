"""Strangeness relative to other inputs: two-sided, needs no labels.

The direction in which a strange input's drop departs depends on model, layer, nudge and input, so distance
counts here, not direction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.metrics.quantiles import Values

# Fewer inputs than this give no idea of what is usual.
MIN_INPUTS = 8
# Makes the median absolute deviation of normal data estimate its standard deviation: 1/Φ⁻¹(¾).
_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class RobustStats:
    """What is usual at each probe.

    Attributes:
        floor: Noise floor, [P], above 0; smaller drops are taken as the floor.
        centre: Median of the log drops, [P].
        spread: Their scaled median absolute deviation, [P].
    """

    floor: Float
    centre: Float
    spread: Float

    @property
    def used(self) -> NDArray[np.bool_]:
        """Probes whose drops differ between inputs at all, bool [P]."""
        differ: NDArray[np.bool_] = self.spread > 0
        return differ


@dataclass(frozen=True)
class Deviations:
    """How far each input's sensitivity profile is from what is usual.

    Attributes:
        score: Strangeness [N], in robust standard deviations: the root mean square of `deviations` over probes;
            higher = more out-of-distribution.
        deviations: Signed deviation of each input at each probe, [N, P]: positive where it turned more than usual; 0
            at probes without spread.
        used: Probes whose drops differ between inputs at all, bool [P].
    """

    score: Float
    deviations: Float
    used: NDArray[np.bool_]


def robust_stats(columns: Iterable[Values], floor: Float) -> RobustStats | None:
    """Learns from inputs what is usual, one probe after the other.

    Args:
        columns: For each of P probes the mean cosine drops of the M inputs, which need not fit into memory.
        floor: Noise floor of each probe, [P], above 0; smaller drops are taken as the floor.

    Returns:
        What is usual, or None if there are fewer than 8 inputs or no probe has any spread.
    """
    centre, spread = np.zeros(len(floor)), np.zeros(len(floor))
    for p, drops in enumerate(columns):
        if drops.count < MIN_INPUTS:
            return None
        logs = drops.map(partial(_log, floor=floor[p]))
        centre[p] = logs.median()
        spread[p] = _MAD_TO_SIGMA * logs.map(partial(_distance, centre=centre[p])).median()
    found = RobustStats(floor, centre, spread)
    return found if found.used.any() else None


def robust_z(drops: Float, errors: Float, usual: RobustStats) -> Deviations:
    """Compares inputs with what is usual.

    z = (log drop − median) / √(σ² + e²) at each probe, with σ the scaled median absolute deviation over the usual
    inputs and e the standard error of the log drop over copies, so that an uncertain drop counts less.

    Args:
        drops: Mean cosine drop over copies, [N, P].
        errors: Its standard error, [N, P]; NaN (one copy only) counts as 0.
        usual: What is usual at the P probes.

    Returns:
        The scores.
    """
    used = usual.used
    raised = np.maximum(drops, usual.floor)
    scale = np.sqrt(usual.spread**2 + (np.nan_to_num(errors) / raised) ** 2)
    deviations = np.divide(np.log(raised) - usual.centre, scale, out=np.zeros_like(raised), where=used)
    score = np.sqrt(np.mean(deviations[:, used] ** 2, axis=1))
    return Deviations(score, deviations, used)


def deviation_score(
    drops: Float, errors: Float, floor: Float, usual: Float | None = None
) -> Deviations | None:
    """Compares each input's log drops with the median of others: `robust_stats`, then `robust_z`.

    Args:
        drops: Mean cosine drop over copies, [N, P].
        errors: Its standard error, [N, P]; NaN (one copy only) counts as 0.
        floor: Noise floor of each probe, [P], above 0; smaller drops are taken as the floor.
        usual: Drops of the inputs to compare with, [M, P]; None for `drops` themselves.

    Returns:
        The scores, or None if there are fewer than 8 inputs to compare with or no probe has any spread.
    """
    found = robust_stats(map(Values.of, (drops if usual is None else usual).T), floor)
    return None if found is None else robust_z(drops, errors, found)


def _log(drops: Float, floor: float) -> Float:
    logs: Float = np.log(np.maximum(drops, floor))
    return logs


def _distance(logs: Float, centre: float) -> Float:
    distances: Float = np.abs(logs - centre)
    return distances
