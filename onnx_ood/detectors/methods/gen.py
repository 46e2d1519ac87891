"""Generalised entropy of the likeliest classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.requirements import logits_of, softmax, why_no_classes

_GAMMA = 0.1
_LARGEST = 100


class GeneralizedEntropy(Detector):
    """Generalised entropy, which small probabilities count for almost as much as large ones."""

    name = "gen"
    formula = "Σ over the 100 largest p of p^γ·(1 − p)^γ, γ = 0.1"
    source = "X. Liu, Y. Lochman and C. Zach, CVPR 2023"
    needs = ("logits",)

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_classes(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:

        def score(evidence: Features) -> NDArray[np.float64]:
            shares = np.sort(softmax(logits_of(evidence)), axis=1)[:, -_LARGEST:]
            entropy: NDArray[np.float64] = ((shares * (1 - shares)) ** _GAMMA).sum(axis=1)
            return entropy

        return score
