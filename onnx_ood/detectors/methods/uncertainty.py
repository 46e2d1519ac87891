"""How much a classifier doubts its answer: its probabilities and its features together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.methods.class_cosine import ClassCosine
from onnx_ood.detectors.methods.gen import GeneralizedEntropy
from onnx_ood.detectors.requirements import why_no_classes

_SMALLEST = 1e-9


class Uncertainty(Detector):
    """A product, so that no scale has to be learnt: small where the answer is sure *and* the features point to it."""

    name = "uncertainty"
    formula = "log(gen) + log(1 + class_cosine); without a linear head log(gen)"
    source = "onnx_ood; see gen and class_cosine"
    needs = ("logits", "features")

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_classes(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        entropy = GeneralizedEntropy().fit(info, reference)
        angle = None if info.head is None else ClassCosine().fit(info, reference)

        def score(evidence: Features) -> NDArray[np.float64]:
            uncertainty: NDArray[np.float64] = np.log(entropy(evidence) + _SMALLEST)
            if angle is not None:
                uncertainty = uncertainty + np.log(1 + angle(evidence) + _SMALLEST)
            return uncertainty

        return score
