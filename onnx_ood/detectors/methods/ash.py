"""Energy of the logits that binarised features give."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.requirements import features_of, head_of, log_sum_exp, why_not_rectified

# Share of the features that is set to 0.
_PRUNED = 0.9


class ActivationShaping(Detector):
    """ASH-B at the features of the linear head."""

    name = "ash"
    formula = "energy after keeping the largest 10% of h, each set to Σh / k"
    source = "A. Djurisic et al., ICLR 2023 (ASH-B)"
    needs = ("features",)

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_not_rectified(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        head = head_of(info)

        def score(evidence: Features) -> NDArray[np.float64]:
            h = features_of(evidence)
            kept = h.shape[1] - round(h.shape[1] * _PRUNED)
            largest = np.argpartition(h, -kept, axis=1)[:, -kept:]
            shaped = np.zeros_like(h)
            np.put_along_axis(shaped, largest, h.sum(axis=1, keepdims=True) / kept, axis=1)
            energy: NDArray[np.float64] = -log_sum_exp(shaped @ head.weight.T + head.bias)
            return energy

        return score
