"""The default detector: a combination with the same definition for all models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.activity_profile import activity_profile
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.calibration.combine import combined_score, held_out_scores
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.methods.activity import Activity
from onnx_ood.detectors.methods.uncertainty import Uncertainty, uncertainty_above_baseline
from onnx_ood.detectors.models.discriminant import Discriminant
from onnx_ood.detectors.registry import register_detector

# The bundled references hold several crops of each photo, as many places apart as there are photos. That number is a
# multiple of this one, so that crops of one photo share a fold.
_FOLDS = 8


@register_detector
class Auto(Detector):
    """Sum of activity, discriminant and uncertainty, in standard deviations of held-out references.

    Without references the score is the uncertainty, with `ModelInfo.baseline` the uncertainty above the baseline
    (`uncertainty_above_baseline`): the plain uncertainty misses content-free inputs. With references, activity finds
    these.
    """

    name = "auto"
    formula = (
        "z(log activity) + z(discriminant of activity against altered references) + z(uncertainty); without "
        "references uncertainty + uncertainty above baseline inputs"
    )
    source = "onnx_ood; choice explained in docs/detectors.md"
    needs = ("layers", "logits", "features", "altered")
    order = 10
    uses_reference = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        if info.probabilities is None and not info.layers:
            return "the model has neither class scores nor layers with readable activations"
        return None

    @override
    def requires_reference(self, info: ModelInfo) -> bool:
        return info.probabilities is None

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        if reference is None:
            if info.baseline is not None:
                return uncertainty_above_baseline(info, info.baseline)
            return Uncertainty().fit(info, None)
        # Fits of the parts, and whether their scores are distances.
        parts: list[tuple[Callable[[Features], FittedDetector], bool]] = []
        if info.layers:
            parts.append((partial(Activity().fit, info), True))
            if reference.altered:
                parts.append((_fit_discriminant, False))
        if info.probabilities is not None:
            parts.append((partial(Uncertainty().fit, info), False))
        folds = min(_FOLDS, len(reference))
        return _Combination(
            tuple(fit(reference) for fit, _ in parts),
            np.stack([held_out_scores(fit, reference, folds) for fit, _ in parts], axis=1),
            tuple(distance for _, distance in parts),
        )


@dataclass(frozen=True)
class _Combination:
    scorers: tuple[FittedDetector, ...]
    held_out: Float
    distances: tuple[bool, ...]

    def __call__(self, features: Features) -> Float:
        scores = np.stack([scorer(features) for scorer in self.scorers], axis=1)
        return combined_score(scores, self.held_out, self.distances)


def _fit_discriminant(reference: Features) -> FittedDetector:
    """Learn to separate altered references from the references by their activity."""
    altered = [activity_profile(one.layers) for one in reference.altered]
    return partial(_discriminant_scores, Discriminant(activity_profile(reference.layers), altered))


def _discriminant_scores(discriminant: Discriminant, features: Features) -> Float:
    return discriminant.score(activity_profile(features.layers))
