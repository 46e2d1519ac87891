"""How long the features are."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.requirements import features_of, why_no_head


class FeatureNorm(Detector):
    """Norm of what the linear head reads, its sign turned."""

    name = "feature_norm"
    formula = "−‖h‖"
    source = "Y. Yu et al., CVPR 2023"
    needs = ("features",)
    two_sided = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_head(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        return lambda evidence: -np.linalg.norm(features_of(evidence), axis=1)
