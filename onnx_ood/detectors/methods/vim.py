"""Virtual-logit matching."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.requirements import (
    features_of,
    head_of,
    log_sum_exp,
    reference_of,
    why_no_head,
)

_SMALLEST = 1e-12


class VirtualLogit(Detector):
    """What of the features lies outside the subspace of known-good ones, as a logit beside the others."""

    name = "vim"
    formula = "α·‖residual of h + W⁺b outside k principal directions‖ − log Σ exp z, k = min(n / 4, D / 2)"
    source = "H. Wang et al., CVPR 2022; k for few references is onnx_ood's"
    needs = ("features",)
    uses_reference = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_head(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        head = head_of(info)
        origin = -np.linalg.pinv(head.weight) @ head.bias
        known = features_of(reference_of(reference))
        principal = np.linalg.svd(known - origin, full_matrices=False)[2][: dimension(*known.shape)]

        def logits(features: Float) -> Float:
            return features @ head.weight.T + head.bias

        def residual(features: Float) -> Float:
            moved = features - origin
            norms: Float = np.linalg.norm(moved - (moved @ principal.T) @ principal, axis=1)
            return norms

        # The paper takes for granted that largest logits are positive. Where they aren't, a negative factor would make
        # familiar what is far outside.
        size = abs(float(logits(known).max(axis=1).mean()))
        factor = size / max(float(residual(known).mean()), _SMALLEST)

        def score(evidence: Features) -> NDArray[np.float64]:
            features = features_of(evidence)
            return factor * residual(features) - log_sum_exp(logits(features))

        return score


def dimension(references: int, features: int) -> int:
    """How many principal directions there are: half of D at most, as about in the paper, and a quarter of n.

    As many directions as references would leave them no residual, from which α could not be told, and the last of them
    are hardly known: four references have to pay for each.
    """
    return min(references // 4, features // 2)
