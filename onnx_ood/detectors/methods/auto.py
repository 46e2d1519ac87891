"""The default detector: a combination with the same definition for all models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.calibration.combine import (
    held_out_scores,
    separation,
    soft_maximum,
    z_scores,
)
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.methods.layer_knn import last_peaks
from onnx_ood.detectors.methods.uncertainty import (
    Uncertainty,
    UncertaintyAboveBaseline,
    uncertainty_above_baseline,
)
from onnx_ood.detectors.models.channel_deviation import ChannelDeviation
from onnx_ood.detectors.models.discriminant import Discriminant
from onnx_ood.detectors.models.gaussian import ShrunkGaussian
from onnx_ood.detectors.models.layer_neighbours import LayerNeighbours
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_classes, why_no_layers
from onnx_ood.detectors.terms import NO_ALTERATION, NO_LAYER, Term, TermValues, largest_layers

# The bundled references hold several crops of each photo, as many places apart as there are photos. That number is a
# multiple of this one, so that crops of one photo share a fold.
_FOLDS = 8

# Between a sum, in which a term that sees nothing unusual cancels the alarm of another, and a maximum, which forgets
# what terms agree on. 2 to 6 give the same AUROC within 0.002: docs/detectors.md.
_TEMPERATURE = 4.0
# Discriminants of single alterations are in standard deviations; the mean of all would let them cancel each other.
_ALTERATION_TEMPERATURE = 1.0

_ACTIVITY = Term("activity", "layers are active otherwise than for references")
_ALTERATION = Term("alteration", "layers are active as for altered references: with noise, blurred, ...")
_CHANNELS = Term("channels", "single channels peak otherwise than for references")
_ALTERED_PEAKS = Term(
    "altered_peaks",
    "single channels peak as for references altered in one way: with noise, blurred, ...",
)
_NEIGHBOURS = Term("neighbours", "the last layers are unlike those of any single reference")
_UNCERTAINTY = Term("uncertainty", "the model is unsure of the class")
_ABOVE_BASELINE = Term(
    "above_baseline", "the model is unsure of the class after a content-free input is subtracted"
)
_NOT_ALTERED = "the references have no altered versions: only pictures are altered"


@register_detector
class Auto(Detector):
    """Soft maximum of activity, channels, alterations and uncertainty, in standard deviations of held-out references.

    Each term has a weight between 0 and 1: how well it separates altered references from references, relative to the
    best term (`separation`), since a term may be noise on a model, such as the uncertainty of a model of two classes.
    All weights are 1 if references are not altered, or are the bundled photos: a model need not be certain of these,
    so its uncertainty may separate nothing of them, and still be the best term on its own inputs. The nearest
    reference counts only among references of the user's, which are like the model's inputs.

    Without references the score is the uncertainty, with `ModelInfo.baseline` the uncertainty above the baseline
    (`uncertainty_above_baseline`): the plain uncertainty misses content-free inputs. With references, activity finds
    these.
    """

    name = "auto"
    formula = (
        "soft maximum, 4·log mean exp(w·z / 4), of z(log activity), z(discriminant of activity against altered "
        "references), z(channel_deviation), z(soft maximum over alterations of discriminants of peaks of channels), "
        "z(layer_knn; not with bundled references) and z(uncertainty), with weights w by how well each separates "
        "altered references; without references uncertainty + uncertainty above baseline inputs"
    )
    source = "onnx_ood; choice explained in docs/detectors.md"
    needs = ("activity", "peaks", "logits", "features", "altered")
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
        left_out = _left_out(info, reference)
        fits = {term: fit for term, fit in _FITS.items() if term.name not in left_out}
        if _UNCERTAINTY.name not in left_out:
            # It learns nothing from references.
            uncertainty = _Uncertain(Uncertainty().fit(info, None))
            fits[_UNCERTAINTY] = lambda _: uncertainty
        weighted = not info.generic_references
        fitted = [_fit_term(term, fit, reference, weighted=weighted) for term, fit in fits.items()]
        largest = max(one.weight for one in fitted)
        # With no term that separates anything, none is better than another.
        fitted = [replace(one, weight=one.weight / largest if largest else 1.0) for one in fitted]
        return _Combination(tuple(fitted), left_out)


def _left_out(info: ModelInfo, reference: Features) -> dict[str, str]:
    """Return the reasons why terms are not used with these references, by name."""
    reasons: dict[str, str] = {}
    if not info.layers:
        reasons |= dict.fromkeys((term.name for term in _FITS), why_no_layers(info) or "")
    else:
        if not reference.altered:
            reasons |= dict.fromkeys((_ALTERATION.name, _ALTERED_PEAKS.name), _NOT_ALTERED)
        if info.generic_references:
            reasons[_NEIGHBOURS.name] = "bundled photos are not like the model's own inputs"
    if reason := why_no_classes(info):
        reasons[_UNCERTAINTY.name] = reason
    return reasons


class _Scorer(Protocol):
    """Fitted scorer of one term."""

    @property
    def distance(self) -> bool:
        """True if scores are distances, of which logarithms are taken."""

    def __call__(self, features: Features) -> Float:
        """Return scores, float64 [N]."""

    def layers(self, features: Features) -> NDArray[np.intp]:
        """Return the layer that contributes most to each score, [N]; `NO_LAYER` without layers."""

    def alterations(self, features: Features) -> NDArray[np.intp]:
        """Return the alteration that contributes most to each score, [N]; `NO_ALTERATION` without any."""


_Fit = Callable[[Features], _Scorer]


@dataclass(frozen=True)
class _FittedTerm:
    """A term fitted to references.

    Attributes:
        term: The term.
        scorer: Scorer fitted to all references.
        held_out: Scores of the references, each by a scorer fitted to others.
        weight: Factor of the z-scores.
    """

    term: Term
    scorer: _Scorer
    held_out: Float
    weight: float

    def values(self, scores: Float) -> Float:
        """Return weighted z-scores, float64 [N]."""
        weighted: Float = self.weight * z_scores(scores, self.held_out, distance=self.scorer.distance)
        return weighted


def _fit_term(term: Term, fit: _Fit, reference: Features, *, weighted: bool) -> _FittedTerm:
    """Fit a term; its weight is `separation`, or 1 if that is not asked for or references are not altered."""
    altered = [(one.features, one.of) for one in reference.altered] if weighted else []
    held_out, of_altered = held_out_scores(fit, reference, min(_FOLDS, len(reference)), altered)
    weight = separation(held_out, of_altered) if altered else 1.0
    return _FittedTerm(term, fit(reference), held_out, weight)


@dataclass(frozen=True)
class _Combination:
    fitted: tuple[_FittedTerm, ...]
    left_out: dict[str, str]

    @property
    def terms(self) -> tuple[Term, ...]:
        return tuple(one.term for one in self.fitted)

    @property
    def held_out(self) -> Float:
        return soft_maximum(np.stack([one.values(one.held_out) for one in self.fitted], axis=1), _TEMPERATURE)

    def __call__(self, features: Features) -> Float:
        return soft_maximum(self._values(features), _TEMPERATURE)

    def explain(self, features: Features) -> TermValues:
        layers = [one.scorer.layers(features) for one in self.fitted]
        alterations = [one.scorer.alterations(features) for one in self.fitted]
        return TermValues(self._values(features), np.stack(layers, axis=1), np.stack(alterations, axis=1))

    def _values(self, features: Features) -> Float:
        return np.stack([one.values(one.scorer(features)) for one in self.fitted], axis=1)


def _without_references(info: ModelInfo) -> FittedDetector:
    left_out = dict.fromkeys((term.name for term in _FITS), "there are no references")
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


class _Unaltered:
    """Scorer that does not learn from altered references."""

    def alterations(self, features: Features) -> NDArray[np.intp]:
        return np.full(len(features), NO_ALTERATION)


@dataclass(frozen=True)
class _Distance(_Unaltered):
    gaussian: ShrunkGaussian
    distance: bool = True

    def __call__(self, features: Features) -> Float:
        return self.gaussian.distances(_activity_of(features))

    def layers(self, features: Features) -> NDArray[np.intp]:
        return largest_layers(self.gaussian.contributions(_activity_of(features)))


@dataclass(frozen=True)
class _Discriminating:
    discriminant: Discriminant
    distance: bool = False

    def __call__(self, features: Features) -> Float:
        return self.discriminant.score(_activity_of(features))

    def layers(self, features: Features) -> NDArray[np.intp]:
        return largest_layers(self.discriminant.contributions(_activity_of(features)))

    def alterations(self, features: Features) -> NDArray[np.intp]:
        return _largest(self.discriminant.contributions_by_set(_activity_of(features)))


@dataclass(frozen=True)
class _Deviating(_Unaltered):
    deviation: ChannelDeviation
    distance: bool = False  # Its scores are logarithms.

    def __call__(self, features: Features) -> Float:
        return self.deviation.score(features.peaks)

    def layers(self, features: Features) -> NDArray[np.intp]:
        return self.deviation.largest(features.peaks)


@dataclass(frozen=True)
class _Towards:
    discriminant: Discriminant
    distance: bool = False

    def __call__(self, features: Features) -> Float:
        return soft_maximum(self.discriminant.towards_sets(_peaks_of(features)), _ALTERATION_TEMPERATURE)

    def layers(self, features: Features) -> NDArray[np.intp]:
        peaks = _peaks_of(features)
        contributions = self.discriminant.contributions_to_sets(peaks, self.alterations(features))
        starts = np.cumsum([0, *(layer.shape[1] for layer in features.peaks[:-1])])
        return _largest(np.add.reduceat(contributions, starts, axis=1))

    def alterations(self, features: Features) -> NDArray[np.intp]:
        return _largest(self.discriminant.towards_sets(_peaks_of(features)))


@dataclass(frozen=True)
class _Neighbouring(_Unaltered):
    neighbours: LayerNeighbours
    distance: bool = False  # Its scores are logarithms.

    def __call__(self, features: Features) -> Float:
        return self.neighbours.score(last_peaks(features))

    def layers(self, features: Features) -> NDArray[np.intp]:
        last = last_peaks(features)
        return _largest(self.neighbours.by_layer(last)) + len(features.peaks) - len(last)


@dataclass(frozen=True)
class _Uncertain(_Unaltered):
    uncertainty: FittedDetector
    distance: bool = False

    def __call__(self, features: Features) -> Float:
        return self.uncertainty(features)

    def layers(self, features: Features) -> NDArray[np.intp]:
        return np.full(len(features), NO_LAYER)


def _fit_activity(reference: Features) -> _Scorer:
    return _Distance(ShrunkGaussian(_activity_of(reference)))


def _fit_discriminant(reference: Features) -> _Scorer:
    """Learn to separate altered references from the references by their activity."""
    return _Discriminating(_discriminant(reference, _activity_of))


def _fit_channels(reference: Features) -> _Scorer:
    return _Deviating(ChannelDeviation(reference.peaks))


def _fit_towards(reference: Features) -> _Scorer:
    """Learn to separate references altered in each way from the references by the peaks of channels."""
    return _Towards(_discriminant(reference, _peaks_of))


def _fit_neighbours(reference: Features) -> _Scorer:
    return _Neighbouring(LayerNeighbours(last_peaks(reference)))


# Terms that read layers, in the order of reports.
_FITS: dict[Term, _Fit] = {
    _ACTIVITY: _fit_activity,
    _ALTERATION: _fit_discriminant,
    _CHANNELS: _fit_channels,
    _ALTERED_PEAKS: _fit_towards,
    _NEIGHBOURS: _fit_neighbours,
}


def _discriminant(reference: Features, values: Callable[[Features], Float]) -> Discriminant:
    altered = [values(one.features) for one in reference.altered]
    return Discriminant(values(reference), altered, [one.of for one in reference.altered])


def _activity_of(features: Features) -> Float:
    return required(features.activity, "activity profiles")


def _peaks_of(features: Features) -> Float:
    return np.concatenate(required(features.peaks, "peaks of channels"), axis=1).astype(np.float64)


def _largest(contributions: Float) -> NDArray[np.intp]:
    largest: NDArray[np.intp] = contributions.argmax(axis=1)
    return largest
