"""Virtual-logit matching."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, LinearHead, ModelInfo
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_head
from onnx_ood.detectors.softmax import log_sum_exp

_EPSILON = 1e-12


@register_detector
class VirtualLogit(Detector):
    """Residual of the features outside the subspace of references, as a logit next to the others."""

    name = "vim"
    formula = "α·‖residual of h + W⁺b outside k principal directions‖ − log Σ exp z, k = min(n / 4, D / 2)"
    source = "H. Wang et al., CVPR 2022; k for few references is onnx_ood's"
    needs = ("features",)
    order = 270
    uses_reference = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_head(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        head = required(info.head, "linear head")
        origin = -np.linalg.pinv(head.weight) @ head.bias
        known = required(required(reference, "references").features, "features")
        principal = np.linalg.svd(known - origin, full_matrices=False)[2][: dimension(*known.shape)]
        # The paper takes for granted that largest logits are positive. If they are not, a negative factor would invert
        # the score.
        size = abs(float(_logits(head, known).max(axis=1).mean()))
        factor = size / max(float(_residual(known, origin, principal).mean()), _EPSILON)
        return _VirtualLogit(head, origin, principal, factor)


def dimension(references: int, features: int) -> int:
    """Return the number of principal directions: min(n / 4, D / 2), rounded down.

    About D / 2 is the paper's. With as many directions as references these have no residual, from which α is
    determined, and the last directions are hardly known: hence at least four references per direction.

    >>> dimension(32, 512), dimension(50_000, 512)
    (8, 256)
    """
    return min(references // 4, features // 2)


@dataclass(frozen=True)
class _VirtualLogit:
    head: LinearHead
    origin: Float
    principal: Float
    factor: float

    def __call__(self, features: Features) -> Float:
        h = required(features.features, "features")
        return self.factor * _residual(h, self.origin, self.principal) - log_sum_exp(_logits(self.head, h))


def _logits(head: LinearHead, h: Float) -> Float:
    return h @ head.weight.T + head.bias


def _residual(h: Float, origin: Float, principal: Float) -> Float:
    moved = h - origin
    norms: Float = np.linalg.norm(moved - (moved @ principal.T) @ principal, axis=1)
    return norms
