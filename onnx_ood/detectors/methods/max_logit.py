"""Largest logit."""

from __future__ import annotations

from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_logits


@register_detector
class MaxLogit(Detector):
    """Negative of the largest logit."""

    name = "max_logit"
    formula = "−max z"
    source = "D. Hendrycks et al., ICML 2022"
    needs = ("logits",)
    order = 40

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_logits(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        return _score


def _score(features: Features) -> Float:
    largest: Float = required(features.logits, "logits").max(axis=1)
    return -largest
