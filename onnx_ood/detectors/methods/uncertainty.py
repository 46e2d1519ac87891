"""How much a classifier doubts its answer: its probabilities and its features together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from onnx_ood.detectors.base import Detector, Scorer
from onnx_ood.detectors.features import Evidence, Subject
from onnx_ood.detectors.methods.class_cosine import HeadAngle
from onnx_ood.detectors.methods.class_scores import why_no_classes
from onnx_ood.detectors.methods.gen import GeneralizedEntropy

_SMALLEST = 1e-9


class Doubt(Detector):
    """A product, so that no scale has to be learnt: small where the answer is sure *and* the features point to it."""

    name = "doubt"
    formula = "log(gen) + log(1 + head_angle); without a linear head log(gen)"
    source = "onnx_ood; see gen and head_angle"
    needs = ("logits", "features")

    @override
    def why_not(self, subject: Subject) -> str | None:
        return why_no_classes(subject)

    @override
    def fit(self, subject: Subject, reference: Evidence | None) -> Scorer:
        entropy = GeneralizedEntropy().fit(subject, reference)
        angle = None if subject.head is None else HeadAngle().fit(subject, reference)

        def score(evidence: Evidence) -> NDArray[np.float64]:
            doubt: NDArray[np.float64] = np.log(entropy(evidence) + _SMALLEST)
            if angle is not None:
                doubt = doubt + np.log(1 + angle(evidence) + _SMALLEST)
            return doubt

        return score
