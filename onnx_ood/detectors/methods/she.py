"""Simplified Hopfield energy: likeness with the mean features of the predicted class."""

from __future__ import annotations

from functools import partial

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.predicted_classes import predicted_classes, why_few_per_class
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_classes, why_no_head


@register_detector
class SimplifiedHopfieldEnergy(Detector):
    """Negative inner product of the features with those of references of the predicted class."""

    name = "she"
    formula = "−hᵀ·(mean h of the references with the same prediction)"
    source = "J. Zhang et al., ICLR 2023, with predicted classes"
    needs = ("logits", "features")
    order = 330
    uses_reference = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_head(info) or why_no_classes(info)

    @override
    def why_not_references(self, reference: Features) -> str | None:
        return why_few_per_class(reference)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        known = required(reference, "references")
        h, classes = required(known.features, "features"), predicted_classes(known)
        # A class without references has the mean of all.
        patterns = np.tile(h.mean(axis=0), (required(known.logits, "logits").shape[1], 1))
        for one in np.unique(classes):
            patterns[one] = h[classes == one].mean(axis=0)
        return partial(_score, patterns)


def _score(patterns: Float, features: Features) -> Float:
    h = required(features.features, "features")
    similarity: Float = (h * patterns[predicted_classes(features)]).sum(axis=1)
    return -similarity
