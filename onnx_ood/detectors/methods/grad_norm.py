"""The gradient of the last layer, in closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.requirements import features_of, logits_of, softmax, why_no_head


class GradNorm(Detector):
    """1-norm of the gradient, for the head's weights, of the cross entropy with the uniform distribution."""

    name = "grad_norm"
    formula = "−‖h‖₁·Σ|C·p − 1| / C"
    source = "R. Huang, A. Geng and Y. Li, NeurIPS 2021; closed form of a linear layer"
    needs = ("logits", "features")

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_head(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:

        def score(evidence: Features) -> NDArray[np.float64]:
            shares = softmax(logits_of(evidence))
            classes = shares.shape[1]
            # ∂/∂W of the cross entropy with the uniform distribution is (p − 1/C)·hᵀ, whose 1-norm is a product.
            norm: NDArray[np.float64] = np.abs(features_of(evidence)).sum(axis=1) * np.abs(
                shares - 1 / classes
            ).sum(axis=1)
            return -norm

        return score
