"""ASH-B: energy of the logits of binarised features."""

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

_PRUNED_SHARE = 0.9


@register_detector
class ActivationShaping(Detector):
    """ASH-B at the features of the linear head."""

    name = "ash"
    formula = "energy after keeping the largest 10% of h, each set to Σh / k"
    source = "A. Djurisic et al., ICLR 2023 (ASH-B)"
    needs = ("features",)
    order = 80

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_not_rectified(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        return partial(_score, required(info.head, "linear head"))


def _score(head: LinearHead, features: Features) -> Float:
    h = required(features.features, "features")
    kept = h.shape[1] - round(h.shape[1] * _PRUNED_SHARE)
    largest = np.argpartition(h, -kept, axis=1)[:, -kept:]
    shaped = np.zeros_like(h)
    np.put_along_axis(shaped, largest, h.sum(axis=1, keepdims=True) / kept, axis=1)
    return -log_sum_exp(shaped @ head.weight.T + head.bias)
