"""Metrics: pure functions of pair statistics and of scores."""

from onnx_ood.metrics.cosine import angle, cosine_drop, distortion, squared_norm_of_nudged
from onnx_ood.metrics.detection import auroc
from onnx_ood.metrics.jacobian import frobenius_norm, softmax, step_disagreement, through_softmax
from onnx_ood.metrics.patterns import flip_rate

__all__ = [
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
