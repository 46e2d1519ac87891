"""Distance of the features to decision boundaries."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.requirements import features_of, head_of, logits_of, why_no_head

_SMALLEST = 1e-8


class FastBoundaryDistance(Detector):
    """Mean distance to the boundaries with other classes, for each unit of the features."""

    name = "fdbd"
    formula = "−mean over classes of (z_max − z_c) / ‖w_max − w_c‖ / ‖h‖"
    source = "L. Liu and Y. Qin, ICML 2024 (with the norm of the features, which needs no training mean)"
    needs = ("logits", "features")

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_head(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        weight = head_of(info).weight
        between = _distances(weight)

        def score(evidence: Features) -> NDArray[np.float64]:
            z, h = logits_of(evidence), features_of(evidence)
            first = z.argmax(axis=1)
            apart = between[first]
            # The class itself, and classes with the same weights, have no boundary.
            margins = np.divide(
                z.max(axis=1, keepdims=True) - z, apart, out=np.zeros_like(z), where=apart > 0
            )
            norms = np.maximum(np.linalg.norm(h, axis=1), _SMALLEST)
            mean: NDArray[np.float64] = margins.sum(axis=1) / (z.shape[1] - 1) / norms
            return -mean

        return score


def _distances(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances between the weights of classes, [C, C]; one row at a time, since there may be many classes."""
    return np.stack([np.linalg.norm(weight - one, axis=1) for one in weight])
