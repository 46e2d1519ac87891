"""Neuron activation prior: height of the peaks of channels over their means."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required

_EPSILON = 1e-3


@register_detector
class ActivationPrior(Detector):
    """Neuron activation prior."""

    name = "activation_prior"
    formula = "−mean over channels of max / (mean + ε) before global pooling"
    source = "S. Chen et al., Neuron activation prior, 2024"
    needs = ("pooled",)
    order = 150
    two_sided = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return None if info.pooled else "the model's last features are not means of a feature map"

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        return _score


def _score(features: Features) -> Float:
    pooled = required(features.pooled, "pooled statistics")
    ratio = pooled.largest / (np.abs(pooled.mean) + _EPSILON)
    mean: Float = ratio.mean(axis=1)
    return -mean
