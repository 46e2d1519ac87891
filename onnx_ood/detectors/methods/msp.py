"""Maximum softmax probability."""

from __future__ import annotations

from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_classes
from onnx_ood.detectors.softmax import softmax


@register_detector
class MaximumProbability(Detector):
    """1 minus the largest class probability."""

    name = "msp"
    formula = "1 − max p"
    source = "D. Hendrycks and K. Gimpel, ICLR 2017"
    needs = ("logits",)
    order = 30

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_classes(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        return _score


def _score(features: Features) -> Float:
    largest: Float = softmax(required(features.logits, "logits")).max(axis=1)
    return 1 - largest
