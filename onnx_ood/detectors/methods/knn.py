"""Distance of the last features from the nearest of reference inputs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.requirements import features_of, reference_of, why_no_head

_SMALLEST = 1e-12


class NearestNeighbour(Detector):
    """Where features point, known-good inputs have been seen close by."""

    name = "knn"
    formula = "distance of h/‖h‖ from the k-th nearest of n references, k = max(1, round(n / 1000))"
    source = "Y. Sun et al., ICML 2022, with its share of n as k"
    needs = ("features",)
    uses_reference = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_head(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        known = _directions(features_of(reference_of(reference)))
        place = neighbour(len(known)) - 1

        def score(evidence: Features) -> NDArray[np.float64]:
            # One input at a time: differences of all with all references are larger than either.
            return np.array(
                [
                    np.partition(np.linalg.norm(known - one, axis=1), place)[place]
                    for one in _directions(features_of(evidence))
                ]
            )

        return score


def neighbour(references: int) -> int:
    """Which neighbour counts: the k-th nearest of n, k = max(1, round(n / 1000)), which is 1 of up to 1,500 references.

    The paper takes 50 of 50,000 and 1,000 of 1.2 million: about a thousandth. With a few references a larger k, such as
    the root of n, is worse: of ten classes 32 references have three each, so that the third nearest often is
    of another class, and the distance that of classes.
    """
    return max(1, round(references / 1000))


def _directions(features: Float) -> Float:
    directions: Float = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), _SMALLEST)
    return directions
