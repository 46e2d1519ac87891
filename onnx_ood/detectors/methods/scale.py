"""Energy of the logits that scaled features give."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.requirements import features_of, head_of, log_sum_exp, why_not_rectified

# Share of the features that is not among the largest.
_PRUNED = 0.85


class Scale(Detector):
    """Features are scaled up the more, the less a few of them stand out."""

    name = "scale"
    formula = "energy of h·exp(Σh / Σ of its largest 15%)"
    source = "K. Xu et al., ICLR 2024"
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
            largest = np.partition(h, -kept, axis=1)[:, -kept:].sum(axis=1)
            # Features that are 0 throughout stay so.
            share = np.divide(h.sum(axis=1), largest, out=np.ones(len(h)), where=largest > 0)
            energy: NDArray[np.float64] = -log_sum_exp(
                h * np.exp(share)[:, np.newaxis] @ head.weight.T + head.bias
            )
            return energy

        return score
