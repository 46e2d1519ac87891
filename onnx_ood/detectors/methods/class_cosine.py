"""The angle between features and the weights of the answer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.requirements import features_of, head_of, why_no_head

_SMALLEST = 1e-12


class ClassCosine(Detector):
    """Features of what a network was trained on point where the weights of their class point."""

    name = "class_cosine"
    formula = "−max over classes of cos(h, w_c − w̄)"
    source = "after L. Liu and Y. Qin, CVPR 2025 (neural collapse), without a mean of training features"
    needs = ("features",)

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_head(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        weight = head_of(info).weight
        directions = weight - weight.mean(axis=0)
        directions = directions / np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), _SMALLEST)

        def score(evidence: Features) -> NDArray[np.float64]:
            h = features_of(evidence)
            norms = np.maximum(np.linalg.norm(h, axis=1), _SMALLEST)
            cosine: NDArray[np.float64] = (h @ directions.T).max(axis=1) / norms
            return -cosine

        return score
