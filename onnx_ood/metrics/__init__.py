"""Metrics: pure functions of pair statistics, one number per input and probe."""

from onnx_ood.metrics.cosine import angle, cosine_drop, distortion, squared_norm_of_nudged
from onnx_ood.metrics.patterns import flip_rate

__all__ = ["angle", "cosine_drop", "distortion", "flip_rate", "squared_norm_of_nudged"]
