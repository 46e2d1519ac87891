"""Energy without the first singular component of the last feature map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.methods.class_scores import head_of, negative_energy, why_no_head


class RankFeat(Detector):
    """RankFeat at the feature map whose means the linear head reads."""

    name = "rank_feat"
    formula = "energy of the features of X − s₁·u₁·v₁ᵀ"
    source = "Y. Song, N. Sebe and W. Wang, NeurIPS 2022"
    needs = ("rank-1",)

    @override
    def why_not(self, subject: ModelInfo) -> str | None:
        reason = why_no_head(subject)
        if reason is None and not subject.pooled:
            reason = "the features of its linear layer are no means of a feature map"
        return reason

    @override
    def fit(self, subject: ModelInfo, reference: Features | None) -> FittedDetector:
        head = head_of(subject)

        def score(evidence: Features) -> NDArray[np.float64]:
            assert evidence.without_rank_1 is not None
            energy: NDArray[np.float64] = -negative_energy(
                evidence.without_rank_1 @ head.weight.T + head.bias
            )
            return energy

        return score
