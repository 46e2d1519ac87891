"""Detectors: one score an input from what was measured; higher = more out-of-distribution, always."""

from onnx_ood.detectors.published import published_score
from onnx_ood.detectors.relative import FEWEST, Relative, relative_score

__all__ = ["FEWEST", "Relative", "published_score", "relative_score"]
