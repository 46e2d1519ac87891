"""Fast decision boundary distance: distance of the features from decision boundaries."""

from __future__ import annotations

from functools import partial

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_head

_EPSILON = 1e-8


@register_detector
class FastBoundaryDistance(Detector):
    """Mean distance from the boundaries with other classes, relative to the norm of the features."""

    name = "fdbd"
    formula = "−mean over classes of (z_max − z_c) / ‖w_max − w_c‖ / ‖h‖"
    source = "L. Liu and Y. Qin, ICML 2024 (with the norm of the features, which needs no training mean)"
    needs = ("logits", "features")
    order = 110

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_head(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        weight = required(info.head, "linear head").weight
        # One class at a time: with many classes all differences at once would not fit into memory.
        return partial(_score, np.stack([np.linalg.norm(weight - one, axis=1) for one in weight]))


def _score(distances: Float, features: Features) -> Float:
    """Score features by the distances between the weights of classes, [C, C]."""
    z, h = required(features.logits, "logits"), required(features.features, "features")
    apart = distances[z.argmax(axis=1)]
    # The class itself, and classes with equal weights, have no boundary.
    margins = np.divide(z.max(axis=1, keepdims=True) - z, apart, out=np.zeros_like(z), where=apart > 0)
    norms = np.maximum(np.linalg.norm(h, axis=1), _EPSILON)
    mean: Float = margins.sum(axis=1) / (z.shape[1] - 1) / norms
    return -mean
