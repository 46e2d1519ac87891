"""Distance of the features from the nearest reference inputs."""

from __future__ import annotations

from functools import partial

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_head

_EPSILON = 1e-12


@register_detector
class NearestNeighbour(Detector):
    """Distance from the k-th nearest reference, between normalised features."""

    name = "knn"
    formula = "distance of h/‖h‖ from the k-th nearest of n references, k = max(1, round(n / 1000))"
    source = "Y. Sun et al., ICML 2022, with its share of n as k"
    needs = ("features",)
    order = 260
    uses_reference = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_head(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        known = _directions(required(reference, "references"))
        return partial(_score, known, neighbour(len(known)) - 1)


def neighbour(references: int) -> int:
    """Return k, the neighbour that counts, for n references: max(1, round(n / 1000)).

    The paper takes 50 of 50,000 and 1,000 of 1.2 million: about a thousandth. With few references a larger k, such as
    √n, is worse: 32 references of ten classes are about three per class, so the third nearest often belongs to another
    class.

    >>> neighbour(32), neighbour(50_000)
    (1, 50)
    """
    return max(1, round(references / 1000))


def _score(known: Float, place: int, features: Features) -> Float:
    # One input at a time: the differences of all inputs from all references are larger than either.
    return np.array(
        [np.partition(np.linalg.norm(known - one, axis=1), place)[place] for one in _directions(features)]
    )


def _directions(features: Features) -> Float:
    h = required(features.features, "features")
    directions: Float = h / np.maximum(np.linalg.norm(h, axis=1, keepdims=True), _EPSILON)
    return directions
