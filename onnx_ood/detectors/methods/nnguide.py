"""Nearest neighbour guidance: energy times the similarity with confident references."""

from __future__ import annotations

from functools import partial

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_head, why_no_logits
from onnx_ood.detectors.softmax import log_sum_exp

_NEIGHBOURS = 10
_EPSILON = 1e-12


@register_detector
class NearestNeighbourGuidance(Detector):
    """NNGuide: energy, lowered where no confident reference is near."""

    name = "nnguide"
    formula = "−E·mean of the 10 largest E_i·cos(h, h_i) over references i, E = log Σ exp z"
    source = "J. Park, Y. G. Jung and A. B. J. Teoh, ICCV 2023, with 10 neighbours"
    needs = ("logits", "features")
    order = 300
    uses_reference = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_head(info) or why_no_logits(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        known = required(reference, "references")
        return partial(_score, _energy(known)[:, np.newaxis] * _directions(known))


def _score(guides: Float, features: Features) -> Float:
    similar = np.sort(_directions(features) @ guides.T, axis=1)[:, -_NEIGHBOURS:]
    guided: Float = _energy(features) * similar.mean(axis=1)
    return -guided


def _energy(features: Features) -> Float:
    return log_sum_exp(required(features.logits, "logits"))


def _directions(features: Features) -> Float:
    h = required(features.features, "features")
    directions: Float = h / np.maximum(np.linalg.norm(h, axis=1, keepdims=True), _EPSILON)
    return directions
