"""Ranked activation shift: energy of the logits of features with the values of references."""

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


@register_detector
class RankedActivationShift(Detector):
    """RAS at the features of the linear head: an input keeps only the order of its features."""

    name = "ras"
    formula = "energy after the i-th smallest of h is replaced by the mean of the i-th smallest of references"
    source = "G. Guglielmo and M. Masana, 2026 (arXiv:2604.08572)"
    needs = ("features",)
    order = 290
    uses_reference = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_head(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        known = required(required(reference, "references").features, "features")
        return partial(_score, required(info.head, "linear head"), np.sort(known, axis=1).mean(axis=0))


def _score(head: LinearHead, profile: Float, features: Features) -> Float:
    h = required(features.features, "features")
    shifted = np.empty_like(h)
    # Equal values keep their order, so that a score does not depend on the sorting algorithm.
    order = np.argsort(h, axis=1, kind="stable")
    np.put_along_axis(shifted, order, np.broadcast_to(profile, h.shape), axis=1)
    return -log_sum_exp(shifted @ head.weight.T + head.bias)
