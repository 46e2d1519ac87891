"""Metrics: pure functions of pair statistics and of scores."""

from onnx_ood.metrics.cosine import angle, cosine_drop, distortion, squared_norm_of_nudged
from onnx_ood.metrics.jacobian import frobenius_norm, softmax, step_disagreement, through_softmax
from onnx_ood.metrics.patterns import flip_rate
from onnx_ood.metrics.ranking import Auroc, auroc

__all__ = [
    "Auroc",
    "angle",
    "auroc",
    "cosine_drop",
    "distortion",
    "flip_rate",
    "frobenius_norm",
    "softmax",
    "squared_norm_of_nudged",
    "step_disagreement",
    "through_softmax",
]
