"""Energy without the first singular component of the last feature map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.requirements import head_of, log_sum_exp, why_no_head


class RankFeat(Detector):
    """RankFeat at the feature map whose means the linear head reads."""

    name = "rank_feat"
    formula = "energy of the features of X − s₁·u₁·v₁ᵀ"
    source = "Y. Song, N. Sebe and W. Wang, NeurIPS 2022"
    needs = ("rank_1",)

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        reason = why_no_head(info)
        if reason is None and not info.pooled:
            reason = "the features of its linear layer are no means of a feature map"
        return reason

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        head = head_of(info)

        def score(evidence: Features) -> NDArray[np.float64]:
            assert evidence.without_rank_1 is not None
            energy: NDArray[np.float64] = -log_sum_exp(evidence.without_rank_1 @ head.weight.T + head.bias)
            return energy

        return score
