"""GradNorm: norm of the gradient for the last layer, in closed form."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_head
from onnx_ood.detectors.softmax import softmax


@register_detector
class GradNorm(Detector):
    """1-norm of the gradient, for the head's weights, of the cross entropy with the uniform distribution."""

    name = "grad_norm"
    formula = "−‖h‖₁·Σ|C·p − 1| / C"
    source = "R. Huang, A. Geng and Y. Li, NeurIPS 2021; closed form of a linear layer"
    needs = ("logits", "features")
    order = 100

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_head(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        return _score


def _score(features: Features) -> Float:
    shares = softmax(required(features.logits, "logits"))
    h = required(features.features, "features")
    # ∂/∂W of the cross entropy with the uniform distribution is (p − 1/C)·hᵀ, whose 1-norm is a product.
    norm: Float = np.abs(h).sum(axis=1) * np.abs(shares - 1 / shares.shape[1]).sum(axis=1)
    return -norm
