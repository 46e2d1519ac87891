"""Shannon entropy of the class probabilities."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_classes
from onnx_ood.detectors.softmax import softmax


@register_detector
class Entropy(Detector):
    """Entropy of the class probabilities."""

    name = "entropy"
    formula = "−Σ p·log p"
    source = "A. Malinin and M. Gales, NeurIPS 2018"
    needs = ("logits",)
    order = 60

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_classes(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        return _score


def _score(features: Features) -> Float:
    shares = softmax(required(features.logits, "logits"))
    entropy: Float = -(shares * np.log(np.maximum(shares, np.finfo(float).tiny))).sum(axis=1)
    return entropy
