"""Detectors: one score an input from what was measured; higher = more out-of-distribution, always."""

from onnx_ood.detectors.detector import Detector, Need, Scorer
from onnx_ood.detectors.evidence import (
    Evidence,
    LinearHead,
    RunningStatistics,
    Subject,
)
from onnx_ood.detectors.published import published_score
from onnx_ood.detectors.registry import find_detector, register, registered
from onnx_ood.detectors.relative import FEWEST, Relative, Usual, compare, find_usual, relative_score
from onnx_ood.detectors.settling import LEAST_COPIES, TOLERANCE, CopyEffects, Reference, plan_rounds
from onnx_ood.detectors.subject import Sources, find_sources

__all__ = [
    "FEWEST",
    "LEAST_COPIES",
    "TOLERANCE",
    "CopyEffects",
    "Detector",
    "Evidence",
    "LinearHead",
    "Need",
    "Reference",
    "Relative",
    "RunningStatistics",
    "Scorer",
    "Sources",
    "Subject",
    "Usual",
    "compare",
    "find_detector",
    "find_sources",
    "find_usual",
    "plan_rounds",
    "published_score",
    "register",
    "registered",
    "relative_score",
]
