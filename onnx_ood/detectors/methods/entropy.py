"""How undecided between classes a model is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.requirements import logits_of, softmax, why_no_classes


class Entropy(Detector):
    """Entropy of the class probabilities."""

    name = "entropy"
    formula = "−Σ p·log p"
    source = "A. Malinin and M. Gales, NeurIPS 2018"
    needs = ("logits",)

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_classes(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:

        def score(evidence: Features) -> NDArray[np.float64]:
            shares = softmax(logits_of(evidence))
            entropy: NDArray[np.float64] = -(shares * np.log(np.maximum(shares, np.finfo(float).tiny))).sum(
                axis=1
            )
            return entropy

        return score
