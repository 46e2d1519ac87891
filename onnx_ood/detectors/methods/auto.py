"""The default detector: a combination with the same definition for all models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.calibration.combine import combined_score, held_out_scores, z_scores
from onnx_ood.detectors.features import AlteredReferences, Features, ModelInfo
from onnx_ood.detectors.methods.uncertainty import (
    Uncertainty,
    UncertaintyAboveBaseline,
    uncertainty_above_baseline,
)
from onnx_ood.detectors.models.discriminant import Discriminant
from onnx_ood.detectors.models.gaussian import ShrunkGaussian
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_classes, why_no_layers
from onnx_ood.detectors.terms import NO_ALTERATION, NO_LAYER, Term, TermValues, largest_layers

# The bundled references hold several crops of each photo, as many places apart as there are photos. That number is a
# multiple of this one, so that crops of one photo share a fold.
_FOLDS = 8

_ACTIVITY = Term("activity", "layers are active otherwise than for references")
_ALTERATION = Term("alteration", "layers are active as for altered references: with noise, blurred, ...")
_UNCERTAINTY = Term("uncertainty", "the model is unsure of the class")
_ABOVE_BASELINE = Term(
    "above_baseline", "the model is unsure of the class after a content-free input is subtracted"
)


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
            return _without_references(info)
        fitted: list[_FittedTerm] = []
        left_out: dict[str, str] = {}
        if info.layers:
            profiles = _Profiles.of(reference)
            folds = min(_FOLDS, len(reference))
            for term, fit in ((_ACTIVITY, _fit_activity), (_ALTERATION, _fit_discriminant)):
                if term is _ALTERATION and not profiles.altered:
                    left_out[term.name] = "the references have no altered versions: only pictures are altered"
                else:
                    scorer = _ProfileScorer(fit(profiles))
                    held_out = held_out_scores(fit, profiles, folds)
                    fitted.append(_FittedTerm(term, scorer, held_out, distance=term is _ACTIVITY))
        else:
            left_out |= dict.fromkeys((_ACTIVITY.name, _ALTERATION.name), why_no_layers(info) or "")
        if reason := why_no_classes(info):
            left_out[_UNCERTAINTY.name] = reason
        else:
            # It learns nothing from references, so all of these are held out.
            uncertainty = Uncertainty().fit(info, None)
            fitted.append(_FittedTerm(_UNCERTAINTY, uncertainty, uncertainty(reference), distance=False))
        return _Combination(tuple(fitted), left_out)


@dataclass(frozen=True)
class _FittedTerm:
    term: Term
    scorer: FittedDetector
    held_out: Float
    distance: bool


@dataclass(frozen=True)
class _Combination:
    fitted: tuple[_FittedTerm, ...]
    left_out: dict[str, str]

    @property
    def terms(self) -> tuple[Term, ...]:
        return tuple(one.term for one in self.fitted)

    @property
    def held_out(self) -> Float:
        return self._combined([one.held_out for one in self.fitted])

    def __call__(self, features: Features) -> Float:
        return self._combined([one.scorer(features) for one in self.fitted])

    def _combined(self, scores: list[Float]) -> Float:
        held_out = np.stack([one.held_out for one in self.fitted], axis=1)
        return combined_score(np.stack(scores, axis=1), held_out, [one.distance for one in self.fitted])

    def explain(self, features: Features) -> TermValues:
        values = [z_scores(one.scorer(features), one.held_out, distance=one.distance) for one in self.fitted]
        layers = [
            one.scorer.layers(features)
            if isinstance(one.scorer, _ProfileScorer)
            else np.full(len(features), NO_LAYER)
            for one in self.fitted
        ]
        alterations = [
            one.scorer.alterations(features)
            if one.term is _ALTERATION and isinstance(one.scorer, _ProfileScorer)
            else np.full(len(features), NO_ALTERATION)
            for one in self.fitted
        ]
        return TermValues(*(np.stack(one, axis=1) for one in (values, layers, alterations)))


def _without_references(info: ModelInfo) -> FittedDetector:
    left_out = dict.fromkeys((_ACTIVITY.name, _ALTERATION.name), "there are no references")
    if info.baseline is None:
        left_out[_ABOVE_BASELINE.name] = "there are no content-free inputs: inputs are not pictures"
        return _WithoutReferences(Uncertainty().fit(info, None), left_out)
    return _WithoutReferences(uncertainty_above_baseline(info, info.baseline), left_out)


@dataclass(frozen=True)
class _WithoutReferences:
    scorer: FittedDetector
    left_out: dict[str, str]
    held_out: Float | None = None

    @property
    def terms(self) -> tuple[Term, ...]:
        both = isinstance(self.scorer, UncertaintyAboveBaseline)
        return (_UNCERTAINTY, _ABOVE_BASELINE) if both else (_UNCERTAINTY,)

    def __call__(self, features: Features) -> Float:
        return self.scorer(features)

    def explain(self, features: Features) -> TermValues:
        scorer = self.scorer
        parts = (
            scorer.parts(features) if isinstance(scorer, UncertaintyAboveBaseline) else (scorer(features),)
        )
        values = np.stack(parts, axis=1)
        return TermValues(values, np.full(values.shape, NO_LAYER))


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


class _ProfileModel(Protocol):
    """Model of activity profiles."""

    def __call__(self, profiles: _Profiles) -> Float:
        """Return scores, float64 [N]."""

    def contributions(self, profiles: _Profiles) -> Float:
        """Return the contribution of each number of the profiles to the score, [N, 9·L]."""


@dataclass(frozen=True)
class _Distance:
    gaussian: ShrunkGaussian

    def __call__(self, profiles: _Profiles) -> Float:
        return self.gaussian.distances(profiles.inputs)

    def contributions(self, profiles: _Profiles) -> Float:
        return self.gaussian.contributions(profiles.inputs)


@dataclass(frozen=True)
class _Discriminating:
    discriminant: Discriminant

    def __call__(self, profiles: _Profiles) -> Float:
        return self.discriminant.score(profiles.inputs)

    def contributions(self, profiles: _Profiles) -> Float:
        return self.discriminant.contributions(profiles.inputs)


def _fit_activity(reference: _Profiles) -> _ProfileModel:
    return _Distance(ShrunkGaussian(reference.inputs))


def _fit_discriminant(reference: _Profiles) -> _ProfileModel:
    """Learn to separate altered references from the references by their activity."""
    altered = [_activity_of(one.features) for one in reference.altered]
    return _Discriminating(Discriminant(reference.inputs, altered, [one.of for one in reference.altered]))


@dataclass(frozen=True)
class _ProfileScorer:
    model: _ProfileModel

    def __call__(self, features: Features) -> Float:
        return self.model(_Profiles.of(features))

    def layers(self, features: Features) -> NDArray[np.intp]:
        return largest_layers(self.model.contributions(_Profiles.of(features)))

    def alterations(self, features: Features) -> NDArray[np.intp]:
        assert isinstance(self.model, _Discriminating)
        by_set = self.model.discriminant.contributions_by_set(_activity_of(features))
        largest: NDArray[np.intp] = by_set.argmax(axis=1)
        return largest


def _activity_of(features: Features) -> Float:
    return required(features.activity, "activity profiles")
