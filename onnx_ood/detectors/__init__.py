"""Detectors: one score an input from what was measured; higher = more out-of-distribution, always."""

from onnx_ood.detectors.published import published_score
from onnx_ood.detectors.relative import FEWEST, Relative, Usual, compare, find_usual, relative_score
from onnx_ood.detectors.settling import LEAST_COPIES, TOLERANCE, CopyEffects, Reference, plan_rounds

__all__ = [
    "FEWEST",
    "LEAST_COPIES",
    "TOLERANCE",
    "CopyEffects",
    "Reference",
    "Relative",
    "Usual",
    "compare",
    "find_usual",
    "plan_rounds",
    "published_score",
    "relative_score",
]
