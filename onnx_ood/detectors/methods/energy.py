"""Free energy of the logits."""

from __future__ import annotations

from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_logits
from onnx_ood.detectors.softmax import log_sum_exp


@register_detector
class Energy(Detector):
    """Free energy."""

    name = "energy"
    formula = "−log Σ exp z"
    source = "W. Liu et al., NeurIPS 2020 (temperature 1)"
    needs = ("logits",)
    order = 50

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_logits(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        return _score


def _score(features: Features) -> Float:
    return -log_sum_exp(required(features.logits, "logits"))
