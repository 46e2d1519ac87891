"""Whether an input is one of the references' kind: p-values that are exact in finite samples, for any detector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from onnx_ood._types import Float
from onnx_ood.detectors.activity_profile import activity_profile
from onnx_ood.detectors.base import Detector
from onnx_ood.detectors.calibration.conformal import full_p_values, p_values, two_sided_p_values
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.methods.auto import Auto
from onnx_ood.detectors.methods.uncertainty import Uncertainty


@dataclass(frozen=True)
class CalibratedScores:
    """What tells how rarely an input like the references is as strange.

    Attributes:
        references: How many references the p-values are ranked among, n: none is below 1 / (n + 1).
        p_values: From what was measured of N inputs, float64 [N].
    """

    references: int
    p_values: Callable[[Features], Float]


def calibrate(detector: Detector, info: ModelInfo, reference: Features, seed: int) -> CalibratedScores:
    """Makes p-values of a detector that are exact if an input and the references are exchangeable.

    - Of `auto`: see `detector_p_values`; all references calibrate.
    - Of a detector that learns nothing: its scores are ranked among those of all references.
    - Of any other: half of the references, at random, are what it learns from, and the other half calibrates.

    Where strange inputs may score unusually low (`two_sided`), so does an unusually low score count.

    Args:
        detector: One that applies to the model.
        info: The model.
        reference: What was measured of n known-good inputs, n at least 2.
        seed: Seed of the halves.

    Returns:
        What makes p-values.
    """
    if isinstance(detector, Auto):
        return CalibratedScores(len(reference), partial(detector_p_values, info, reference))
    learning = len(reference) // 2 if detector.uses_reference else 0
    # Files come in the order of their names, which may have to do with what they look like.
    order = np.random.default_rng(seed).permutation(len(reference))
    scorer = detector.fit(info, reference.rows(order[:learning]) if learning else None)
    usual = scorer(reference.rows(order[learning:]))
    ranked = two_sided_p_values if detector.two_sided else p_values
    return CalibratedScores(len(usual), lambda inputs: ranked(usual, scorer(inputs)))


def detector_p_values(info: ModelInfo, reference: Features, inputs: Features) -> Float:
    """How rarely an input like the references is as strange as each input, by its activity and by uncertainty.

    These are the parts of `auto` that can be made exact. Its discriminant is left out: it learns from altered
    references, and the new input would have to be altered and run in the same ways.

    Args:
        info: The model.
        reference: What was measured of n known-good inputs.
        inputs: What was measured of N inputs.

    Returns:
        p-values, [N], from 1 / (n + 1) to 1; see `full_p_values`. Exact if an input and the references are
        exchangeable, on average over draws of references.

    Raises:
        ValueError: If the model has neither layers nor class scores, or anything isn't finite.
    """
    scores = None
    if info.probabilities is not None:
        # It learns nothing from references, so that theirs are as good as those of new inputs.
        uncertainty = Uncertainty().fit(info, None)
        scores = uncertainty(reference), uncertainty(inputs)
    if info.layers:
        return full_p_values(
            activity_profile(reference.layers), activity_profile(inputs.layers), scores=scores
        )
    if scores is None:
        raise ValueError("the model has neither layers whose activations can be read nor class scores")
    return p_values(*scores)
