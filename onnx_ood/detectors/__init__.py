"""Detectors: one score an input from what was measured; higher = more out-of-distribution, always."""

from onnx_ood.detectors.published import published_score
from onnx_ood.detectors.relative import FEWEST, Relative, Usual, compare, find_usual, relative_score

__all__ = ["FEWEST", "Relative", "Usual", "compare", "find_usual", "published_score", "relative_score"]
