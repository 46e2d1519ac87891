"""The default detector: a combination with the same definition for all models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.calibration.combine import combined_score, held_out_scores
from onnx_ood.detectors.features import AlteredReferences, Features, ModelInfo
from onnx_ood.detectors.methods.uncertainty import Uncertainty, uncertainty_above_baseline
from onnx_ood.detectors.models.discriminant import Discriminant
from onnx_ood.detectors.models.gaussian import ShrunkGaussian
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required

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
    needs = ("activity", "logits", "features", "altered")
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
        scorers: list[FittedDetector] = []
        held_out: list[Float] = []
        distances: list[bool] = []
        if info.layers:
            profiles = _Profiles.of(reference)
            folds = min(_FOLDS, len(reference))
            for fit, distance in ((_fit_activity, True), (_fit_discriminant, False)):
                if distance or profiles.altered:
                    scorers.append(partial(_score_profiles, fit(profiles)))
                    held_out.append(held_out_scores(fit, profiles, folds))
                    distances.append(distance)
        if info.probabilities is not None:
            # It learns nothing from references, so all of these are held out.
            uncertainty = Uncertainty().fit(info, None)
            scorers.append(uncertainty)
            held_out.append(uncertainty(reference))
            distances.append(False)
        return _Combination(tuple(scorers), np.stack(held_out, axis=1), tuple(distances))


@dataclass(frozen=True)
class _Combination:
    scorers: tuple[FittedDetector, ...]
    held_out: Float
    distances: tuple[bool, ...]

    def __call__(self, features: Features) -> Float:
        scores = np.stack([scorer(features) for scorer in self.scorers], axis=1)
        return combined_score(scores, self.held_out, self.distances)


@dataclass(frozen=True)
class _Profiles:
    """Activity profiles: all that the folds of the cross-validation take of the far larger features."""

    inputs: Float
    altered: tuple[AlteredReferences, ...] = ()

    @classmethod
    def of(cls, features: Features) -> _Profiles:
        altered = [
            AlteredReferences(Features(activity=_activity_of(one.features)), one.of)
            for one in features.altered
        ]
        return cls(_activity_of(features), tuple(altered))

    def __len__(self) -> int:
        return len(self.inputs)

    def rows(self, which: NDArray[np.intp]) -> _Profiles:
        return _Profiles(self.inputs[which], tuple(one.of_references(which) for one in self.altered))


_ProfileScorer = Callable[[_Profiles], Float]


def _fit_activity(reference: _Profiles) -> _ProfileScorer:
    return partial(_activity, ShrunkGaussian(reference.inputs))


def _activity(gaussian: ShrunkGaussian, profiles: _Profiles) -> Float:
    return gaussian.distances(profiles.inputs)


def _fit_discriminant(reference: _Profiles) -> _ProfileScorer:
    """Learn to separate altered references from the references by their activity."""
    altered = [_activity_of(one.features) for one in reference.altered]
    return partial(
        _discriminant, Discriminant(reference.inputs, altered, [one.of for one in reference.altered])
    )


def _discriminant(discriminant: Discriminant, profiles: _Profiles) -> Float:
    return discriminant.score(profiles.inputs)


def _score_profiles(scorer: _ProfileScorer, features: Features) -> Float:
    return scorer(_Profiles.of(features))


def _activity_of(features: Features) -> Float:
    return required(features.activity, "activity profiles")
