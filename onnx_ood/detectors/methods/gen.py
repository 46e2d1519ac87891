"""Generalised entropy of the largest class probabilities."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_classes
from onnx_ood.detectors.softmax import softmax

_GAMMA = 0.1
_CLASSES = 100


@register_detector
class GeneralizedEntropy(Detector):
    """Generalised entropy; small probabilities weigh almost as much as large ones."""

    name = "gen"
    formula = "Σ over the 100 largest p of p^γ·(1 − p)^γ, γ = 0.1"
    source = "X. Liu, Y. Lochman and C. Zach, CVPR 2023"
    needs = ("logits",)
    order = 70

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_classes(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        return _score


def _score(features: Features) -> Float:
    shares = np.sort(softmax(required(features.logits, "logits")), axis=1)[:, -_CLASSES:]
    entropy: Float = ((shares * (1 - shares)) ** _GAMMA).sum(axis=1)
    return entropy
