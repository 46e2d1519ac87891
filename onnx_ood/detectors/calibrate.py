"""Calibration of any detector by references: p-values that are exact in finite samples."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.calibration.conformal import full_p_values, p_values, two_sided_p_values
from onnx_ood.detectors.checked import fit_detector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.methods.auto import Auto
from onnx_ood.detectors.methods.uncertainty import Uncertainty
from onnx_ood.detectors.requirements import required

MIN_SPLIT = 60
"""Fewest references of which the score that ranks learns from a part only, so that the others calibrate it.

With fewer, too few are left to learn from: docs/detectors.md, "Flags".
"""

# Relative rounding error of a quotient of a rate.
_ROUNDING = 1e-9
# More references than this to learn from change little; more to calibrate make smaller p-values possible.
_ENOUGH_LEARNING = 200

Calibration = Literal["split", "half", "full"]


@dataclass(frozen=True)
class CalibratedScores:
    """p-values of new inputs; picklable.

    Attributes:
        method: Source of the p-values. `"split"`: ranks of scores by `scorer` among those of references that it did not
            learn from. `"half"`: the same by a detector that learned from half of the references. `"full"`:
            full-conformal prediction by a part of the score, see `detector_p_values`.
        references: Number n of references that p-values are ranked among; none is below 1 / (n + 1).
        p_values: Computes p-values, float64 [N], from features of N inputs.
        scorer: Detector that p-values rank: of two inputs, the one with the higher score does not have the higher
            p-value, unless the detector is two-sided. None if they rank by something else than the whole score.
    """

    method: Calibration
    references: int
    p_values: Callable[[Features], Float]
    scorer: FittedDetector | None = None


def calibrate(
    detector: Detector, info: ModelInfo, reference: Features, seed: int, *, rate: float = 0.05
) -> CalibratedScores:
    """Calibrate a detector: p-values are exact if an input and the references are exchangeable.

    - Detectors that learn nothing from references: scores are ranked among those of all references.
    - Others, from `MIN_SPLIT` references: the detector learns from a random part of the references and ranks inputs;
      the others calibrate it, see `calibrating_references`.
    - `auto` with fewer references, or if those that calibrate are too few for p-values of `rate`: see
      `detector_p_values`; all references calibrate.
    - Others with fewer references: a half learns and a half calibrates, but `scorer` is None, because a detector that
      learned from all references ranks better.

    Unusually low scores of a `two_sided` detector count as well.

    Args:
        detector: A detector that applies to the model.
        info: The model.
        reference: Features of n references, n at least 2.
        seed: Seed of the random parts.
        rate: False-positive or false-discovery rate of flags.

    Returns:
        The p-values.
    """
    count = len(reference)
    calibrating = calibrating_references(count, rate) if count >= MIN_SPLIT else 0
    if isinstance(detector, Auto) and not calibrating:
        return CalibratedScores("full", count, partial(detector_p_values, info, reference))
    learning = (count - calibrating if calibrating else count // 2) if detector.uses_reference else 0
    # References come in the order of their file names, which may depend on their content.
    order = np.random.default_rng(seed).permutation(count)
    scorer = fit_detector(detector, info, reference.rows(order[:learning]) if learning else None)
    calibration = scorer(reference.rows(order[learning:]))
    ranked = two_sided_p_values if detector.two_sided else p_values
    ranks = bool(calibrating) or not learning
    return CalibratedScores(
        "split" if ranks else "half",
        len(calibration),
        partial(_ranked, ranked, calibration, scorer),
        scorer if ranks else None,
    )


def calibrating_references(count: int, rate: float) -> int:
    """Return how many of n references calibrate a detector that learns from the others.

    Two fifths, of many references all but 200, but at most half. That number is reduced to one at which the share of
    in-distribution inputs with a p-value of at most `rate` is just below it: at a rate of 0.05 the share is 1 / 35 with
    34 references, but 1 / 20 with 19.

    Args:
        count: n.
        rate: False-positive or false-discovery rate.

    Returns:
        The number; 0 if no p-value could be as small as the rate.

    >>> calibrating_references(100, 0.05), calibrating_references(60, 0.05), calibrating_references(60, 0.01)
    (39, 19, 0)
    """
    most = min(max(2 * count // 5, count - _ENOUGH_LEARNING), count // 2)
    # Rounding must not change the number.
    steps = math.floor((most + 1) * rate * (1 + _ROUNDING))
    return max(math.ceil(steps / rate * (1 - _ROUNDING)) - 1, 0)


def split_references(calibrating: int, rate: float) -> int:
    """Return the fewest references, `MIN_SPLIT` or more, of which at least so many calibrate.

    Args:
        calibrating: Number of references that calibrate.
        rate: False-positive or false-discovery rate.

    >>> split_references(19, 0.05), split_references(999, 0.1)
    (60, 1998)
    """
    # At least a fourth of the references calibrates, except for steps of 1 / rate.
    counts = range(MIN_SPLIT, MIN_SPLIT + 4 * (calibrating + math.ceil(1 / rate)))
    return counts[bisect_left(counts, calibrating, key=lambda count: calibrating_references(count, rate))]


def detector_p_values(info: ModelInfo, reference: Features, inputs: Features) -> Float:
    """Compute exact p-values from activity and uncertainty, the two parts of `auto` with exact ones.

    The discriminant of `auto` is left out: it learns from altered references, so a new input would have to be altered
    and run in the same ways.

    Args:
        info: The model.
        reference: Features of n references.
        inputs: Features of N inputs.

    Returns:
        p-values, float64 [N], from 1 / (n + 1) to 1; see `full_p_values`. Exact if an input and the references are
        exchangeable, on average over random reference sets.

    Raises:
        ValueError: If the model has neither layers nor class scores, or anything is not finite.
    """
    scores = None
    if info.probabilities is not None:
        # It learns nothing from references: their scores are as good as those of new inputs.
        uncertainty = Uncertainty().fit(info, None)
        scores = uncertainty(reference), uncertainty(inputs)
    if info.layers:
        known, new = (required(one.activity, "activity profiles") for one in (reference, inputs))
        return full_p_values(known, new, scores=scores)
    if scores is None:
        raise ValueError("the model has neither class scores nor layers with readable activations")
    return p_values(*scores)


def _ranked(
    ranked: Callable[[Float, Float], Float], calibration: Float, scorer: FittedDetector, inputs: Features
) -> Float:
    return ranked(calibration, scorer(inputs))
