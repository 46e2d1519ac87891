"""Detectors: one score an input from what was measured; higher = more out-of-distribution, always."""

from onnx_ood.detectors.base import Detector, Need, Scorer
from onnx_ood.detectors.calibration.combine import combined_score, held_out_scores, z_scores
from onnx_ood.detectors.calibration.conformal import flag, full_p_values, p_values, two_sided_p_values
from onnx_ood.detectors.calibration.early_stopping import (
    LEAST_COPIES,
    TOLERANCE,
    CopyEffects,
    Reference,
    plan_rounds,
)
from onnx_ood.detectors.calibration.summary import Calibrated, calibrate, verdict_p_values
from onnx_ood.detectors.deviation import FEWEST, Relative, Usual, compare, find_usual, relative_score
from onnx_ood.detectors.features import Evidence, LinearHead, RunningStatistics, Subject
from onnx_ood.detectors.methods.activity_profile import activity_profile
from onnx_ood.detectors.methods.batch_norm import collection_distance
from onnx_ood.detectors.methods.published import published_score
from onnx_ood.detectors.models.discriminant import Discriminant
from onnx_ood.detectors.models.gaussian import ShrunkGaussian
from onnx_ood.detectors.registry import find_detector, register, registered
from onnx_ood.detectors.sources import Sources, find_sources

__all__ = [
    "FEWEST",
    "LEAST_COPIES",
    "TOLERANCE",
    "Calibrated",
    "CopyEffects",
    "Detector",
    "Discriminant",
    "Evidence",
    "LinearHead",
    "Need",
    "Reference",
    "Relative",
    "RunningStatistics",
    "Scorer",
    "ShrunkGaussian",
    "Sources",
    "Subject",
    "Usual",
    "activity_profile",
    "calibrate",
    "collection_distance",
    "combined_score",
    "compare",
    "find_detector",
    "find_sources",
    "find_usual",
    "flag",
    "full_p_values",
    "held_out_scores",
    "p_values",
    "plan_rounds",
    "published_score",
    "register",
    "registered",
    "relative_score",
    "two_sided_p_values",
    "verdict_p_values",
    "z_scores",
]
