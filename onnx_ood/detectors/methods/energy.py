"""The free energy of the logits."""

from __future__ import annotations

from typing_extensions import override

from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.requirements import log_sum_exp, logits_of, why_no_logits


class Energy(Detector):
    """Free energy."""

    name = "energy"
    formula = "−log Σ exp z"
    source = "W. Liu et al., NeurIPS 2020 (temperature 1)"
    needs = ("logits",)

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_logits(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        return lambda evidence: -log_sum_exp(logits_of(evidence))
