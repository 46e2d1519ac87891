"""How probable the likeliest class is."""

from __future__ import annotations

from typing_extensions import override

from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.requirements import logits_of, softmax, why_no_classes


class MaximumProbability(Detector):
    """1 minus the largest class probability."""

    name = "msp"
    formula = "1 − max p"
    source = "D. Hendrycks and K. Gimpel, ICLR 2017"
    needs = ("logits",)

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_classes(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        return lambda evidence: 1 - softmax(logits_of(evidence)).max(axis=1)
