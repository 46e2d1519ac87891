"""Sensitivity of the output to the input: norm of the Jacobian."""

from __future__ import annotations

from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_layers


@register_detector
class JacobianNorm(Detector):
    """Norm of the Jacobian: the function is steeper away from training points.

    Estimated from two directions, one input's norm may be off by a factor of two. Norms of inputs differ by orders of
    magnitude: with 4 or 8 directions the AUROC changed by 0.01.
    """

    name = "jacobian_norm"
    formula = "√(n / 2 · Σ over 2 orthogonal q of ‖J q‖²) for ‖J‖, J = ∂ softmax / ∂x, or of the last layer"
    source = "R. Novak et al., ICLR 2018; J q by central differences"
    needs = ("jacobian",)
    order = 210
    two_sided = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        if info.probabilities is not None:
            return None
        reason = why_no_layers(info)
        return reason and f"the model's output is not a vector of class scores, and {reason}"

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        return _score


def _score(features: Features) -> Float:
    return required(features.jacobian, "Jacobian norms")
