"""How large the largest logit is."""

from __future__ import annotations

from typing_extensions import override

from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.requirements import logits_of, why_no_logits


class MaxLogit(Detector):
    """The largest logit, its sign turned."""

    name = "max_logit"
    formula = "−max z"
    source = "D. Hendrycks et al., ICML 2022"
    needs = ("logits",)

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_logits(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        return lambda evidence: -logits_of(evidence).max(axis=1)
