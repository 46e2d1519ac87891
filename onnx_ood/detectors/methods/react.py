"""ReAct: energy of the logits of truncated features."""

from __future__ import annotations

from functools import partial

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, LinearHead, ModelInfo
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_head
from onnx_ood.detectors.softmax import log_sum_exp

_PERCENTILE = 90


@register_detector
class RectifiedActivations(Detector):
    """ReAct at the features of the linear head: unusually large activations are cut off."""

    name = "react"
    formula = "energy after h is cut off at c, the 90th percentile of all values of all references"
    source = "Y. Sun, C. Guo and Y. Li, NeurIPS 2021"
    needs = ("features",)
    order = 280
    uses_reference = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_head(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        known = required(required(reference, "references").features, "features")
        return partial(_score, required(info.head, "linear head"), float(np.percentile(known, _PERCENTILE)))


def _score(head: LinearHead, cut: float, features: Features) -> Float:
    h = np.minimum(required(features.features, "features"), cut)
    return -log_sum_exp(h @ head.weight.T + head.bias)
