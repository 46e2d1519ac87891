"""RankFeat: energy without the first singular component of the last feature map."""

from __future__ import annotations

from functools import partial

from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, LinearHead, ModelInfo
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_head
from onnx_ood.detectors.softmax import log_sum_exp


@register_detector
class RankFeat(Detector):
    """RankFeat at the feature map whose means the linear head reads."""

    name = "rank_feat"
    formula = "energy of the features of X − s₁·u₁·v₁ᵀ"
    source = "Y. Song, N. Sebe and W. Wang, NeurIPS 2022"
    needs = ("rank_1",)
    order = 130

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        reason = why_no_head(info)
        if reason is None and not info.pooled:
            reason = "the features of the model's linear layer are not means of a feature map"
        return reason

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        return partial(_score, required(info.head, "linear head"))


def _score(head: LinearHead, features: Features) -> Float:
    h = required(features.without_rank_1, "features without the first singular component")
    return -log_sum_exp(h @ head.weight.T + head.bias)
