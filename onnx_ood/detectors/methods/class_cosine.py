"""Cosine between the features and the weights of the nearest class."""

from __future__ import annotations

from functools import partial

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_head

_EPSILON = 1e-12


@register_detector
class ClassCosine(Detector):
    """Negative cosine: features of training data point in the direction of the weights of their class."""

    name = "class_cosine"
    formula = "−max over classes of cos(h, w_c − w̄)"
    source = "after L. Liu and Y. Qin, CVPR 2025 (neural collapse), without a mean of training features"
    needs = ("features",)
    order = 120

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_head(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        weight = required(info.head, "linear head").weight
        directions = weight - weight.mean(axis=0)
        directions = directions / np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), _EPSILON)
        return partial(_score, directions)


def _score(directions: Float, features: Features) -> Float:
    h = required(features.features, "features")
    norms = np.maximum(np.linalg.norm(h, axis=1), _EPSILON)
    cosine: Float = (h @ directions.T).max(axis=1) / norms
    return -cosine
