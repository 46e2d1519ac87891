"""Norm of the features."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_head


@register_detector
class FeatureNorm(Detector):
    """Negative norm of the features that the linear head reads."""

    name = "feature_norm"
    formula = "−‖h‖"
    source = "Y. Yu et al., CVPR 2023"
    needs = ("features",)
    order = 140
    two_sided = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_head(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        return _score


def _score(features: Features) -> Float:
    norms: Float = np.linalg.norm(required(features.features, "features"), axis=1)
    return -norms
