"""How much the peaks of channels stand out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo

_EPSILON = 1e-3


class ActivationPrior(Detector):
    """Neuron activation prior."""

    name = "activation_prior"
    formula = "−mean over channels of max / (mean + ε) before global pooling"
    source = "S. Chen et al., Neuron activation prior, 2024"
    needs = ("pooled",)
    two_sided = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        if not info.pooled:
            return "its last features are no means of a feature map"
        return None

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:

        def score(evidence: Features) -> NDArray[np.float64]:
            assert evidence.pooled is not None
            ratio = evidence.pooled.largest / (np.abs(evidence.pooled.mean) + _EPSILON)
            mean: NDArray[np.float64] = ratio.mean(axis=1)
            return -mean

        return score
