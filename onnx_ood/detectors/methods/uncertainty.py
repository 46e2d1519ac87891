"""Uncertainty of the class prediction, from probabilities and features."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.methods.class_cosine import ClassCosine
from onnx_ood.detectors.methods.gen import GeneralizedEntropy
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import why_no_classes

_EPSILON = 1e-9


@register_detector
class Uncertainty(Detector):
    """Product of generalised entropy and class-weight angle; low if the prediction is confident *and* both agree.

    A product needs no learned scales.
    """

    name = "uncertainty"
    formula = "log(gen) + log(1 + class_cosine); without a linear head log(gen)"
    source = "onnx_ood; see gen and class_cosine"
    needs = ("logits", "features")
    order = 20

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_classes(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        cosine = None if info.head is None else ClassCosine().fit(info, reference)
        return _Uncertainty(GeneralizedEntropy().fit(info, reference), cosine)


@dataclass(frozen=True)
class _Uncertainty:
    entropy: FittedDetector
    cosine: FittedDetector | None

    def __call__(self, features: Features) -> Float:
        uncertainty: Float = np.log(self.entropy(features) + _EPSILON)
        if self.cosine is not None:
            uncertainty = uncertainty + np.log(1 + self.cosine(features) + _EPSILON)
        return uncertainty


def uncertainty_above_baseline(info: ModelInfo, baseline: Features) -> UncertaintyAboveBaseline:
    """Return the uncertainty plus the uncertainty of what an input adds to a content-free input.

    A classifier predicts some class for a content-free input, often with confidence. If an input shows the predicted
    class, the prediction stays confident after the logits and features of the content-free input are subtracted;
    otherwise it does not. With U the uncertainty (`Uncertainty`), z the logits and h the features:

    score = U(z, h) + max over baseline inputs b of U(z − z_b, h − h_b)

    Source: after T. Z. Zhao et al., ICML 2021 (calibration of language models by content-free inputs).

    Args:
        info: A model with class scores.
        baseline: Logits of content-free inputs, and their features if the model has a linear head. Inputs with a value
            that is not finite are left out; without any left, the score is twice the uncertainty.

    Returns:
        The fitted detector.
    """
    # Other parts, which may not be finite, are not read.
    baseline = Features(logits=baseline.logits, features=baseline.features)
    return UncertaintyAboveBaseline(
        Uncertainty().fit(info, None), baseline.rows(np.flatnonzero(baseline.finite()))
    )


@dataclass(frozen=True)
class UncertaintyAboveBaseline:
    """Uncertainty plus the uncertainty above baseline inputs, fitted; see `uncertainty_above_baseline`.

    Attributes:
        uncertainty: The uncertainty.
        baseline: Logits and features of the baseline inputs.
    """

    uncertainty: FittedDetector
    baseline: Features

    def __call__(self, features: Features) -> Float:
        """Return the scores of N inputs, float64 [N]."""
        plain, above = self.parts(features)
        return plain + above

    def parts(self, features: Features) -> tuple[Float, Float]:
        """Return the two addends of N inputs, float64 [N] each."""
        plain = self.uncertainty(features)
        above = [self.uncertainty(self._subtract(features, row)) for row in range(len(self.baseline))]
        return plain, np.max(above or [plain], axis=0)

    def _subtract(self, features: Features, row: int) -> Features:
        return replace(
            features,
            logits=_difference(features.logits, self.baseline.logits, row),
            features=_difference(features.features, self.baseline.features, row),
        )


def _difference(values: Float | None, baseline: Float | None, row: int) -> Float | None:
    return None if values is None or baseline is None else values - baseline[row]
