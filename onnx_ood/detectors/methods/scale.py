"""SCALE: energy of the logits of scaled features."""

from __future__ import annotations

from functools import partial

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, LinearHead, ModelInfo
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_not_rectified
from onnx_ood.detectors.softmax import log_sum_exp

_PRUNED_SHARE = 0.85


@register_detector
class Scale(Detector):
    """SCALE at the features of the linear head; the scale is larger the less the largest features dominate."""

    name = "scale"
    formula = "energy of h·exp(Σh / Σ of its largest 15%)"
    source = "K. Xu et al., ICLR 2024"
    needs = ("features",)
    order = 90

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_not_rectified(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        return partial(_score, required(info.head, "linear head"))


def _score(head: LinearHead, features: Features) -> Float:
    h = required(features.features, "features")
    kept = h.shape[1] - round(h.shape[1] * _PRUNED_SHARE)
    largest = np.partition(h, -kept, axis=1)[:, -kept:].sum(axis=1)
    # Features that are all 0 stay so.
    share = np.divide(h.sum(axis=1), largest, out=np.ones(len(h)), where=largest > 0)
    return -log_sum_exp(h * np.exp(share)[:, np.newaxis] @ head.weight.T + head.bias)
