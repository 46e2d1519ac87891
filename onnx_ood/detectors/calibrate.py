"""Calibration of any detector by references: p-values that are exact in finite samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.calibration.conformal import full_p_values, p_values, two_sided_p_values
from onnx_ood.detectors.checked import fit_detector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.methods.auto import Auto
from onnx_ood.detectors.methods.uncertainty import Uncertainty
from onnx_ood.detectors.requirements import required


@dataclass(frozen=True)
class CalibratedScores:
    """p-values of new inputs; picklable.

    Attributes:
        references: Number n of references that p-values are ranked among; none is below 1 / (n + 1).
        p_values: Computes p-values, float64 [N], from features of N inputs.
    """

    references: int
    p_values: Callable[[Features], Float]


def calibrate(detector: Detector, info: ModelInfo, reference: Features, seed: int) -> CalibratedScores:
    """Calibrate a detector: p-values are exact if an input and the references are exchangeable.

    - `auto`: see `detector_p_values`; all references calibrate.
    - Detectors that learn nothing from references: scores are ranked among those of all references.
    - All others: the detector learns from a random half of the references; the other half calibrates.

    Unusually low scores of a `two_sided` detector count as well.

    Args:
        detector: A detector that applies to the model.
        info: The model.
        reference: Features of n references, n at least 2.
        seed: Seed of the random halves.

    Returns:
        The p-values.
    """
    if isinstance(detector, Auto):
        return CalibratedScores(len(reference), partial(detector_p_values, info, reference))
    learning = len(reference) // 2 if detector.uses_reference else 0
    # References come in the order of their file names, which may depend on their content.
    order = np.random.default_rng(seed).permutation(len(reference))
    scorer = fit_detector(detector, info, reference.rows(order[:learning]) if learning else None)
    calibration = scorer(reference.rows(order[learning:]))
    ranked = two_sided_p_values if detector.two_sided else p_values
    return CalibratedScores(len(calibration), partial(_ranked, ranked, calibration, scorer))


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
