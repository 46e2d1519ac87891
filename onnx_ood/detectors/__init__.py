"""Detectors: one score per input from its features; higher = more out-of-distribution."""

from onnx_ood.detectors.activity_profile import activity_profile, channel_peaks
from onnx_ood.detectors.base import Detector, FittedDetector, Need
from onnx_ood.detectors.calibrate import (
    MIN_SPLIT,
    CalibratedScores,
    Calibration,
    calibrate,
    calibrating_references,
    detector_p_values,
    split_references,
)
from onnx_ood.detectors.calibration.combine import held_out_scores, separation, soft_maximum, z_scores
from onnx_ood.detectors.calibration.conformal import (
    discovery_threshold,
    flag,
    full_p_values,
    min_discoveries,
    p_values,
    two_sided_p_values,
)
from onnx_ood.detectors.calibration.early_stopping import (
    MIN_COPIES,
    TOLERANCE,
    CopyEffects,
    ScoreDistribution,
    plan_rounds,
)
from onnx_ood.detectors.checked import combination, fit_detector, why_not, why_not_references
from onnx_ood.detectors.deviation import (
    MIN_INPUTS,
    Deviations,
    RobustStats,
    deviation_score,
    robust_stats,
    robust_z,
)
from onnx_ood.detectors.features import AlteredReferences, Features, LinearHead, ModelInfo, RunningStatistics
from onnx_ood.detectors.methods.batch_norm import collection_distance
from onnx_ood.detectors.models.discriminant import Discriminant
from onnx_ood.detectors.models.gaussian import ShrunkGaussian
from onnx_ood.detectors.models.nearest_reference import NearestReference
from onnx_ood.detectors.per_probe import PerProbeDetector
from onnx_ood.detectors.published import published_score
from onnx_ood.detectors.registry import find_detector, list_detectors, register_detector
from onnx_ood.detectors.requirements import required
from onnx_ood.detectors.sources import FeatureSources, find_feature_sources
from onnx_ood.detectors.terms import (
    NO_ALTERATION,
    NO_LAYER,
    CombinedDetector,
    Term,
    TermValues,
    differing_terms,
)

__all__ = [
    "MIN_COPIES",
    "MIN_INPUTS",
    "MIN_SPLIT",
    "NO_ALTERATION",
    "NO_LAYER",
    "TOLERANCE",
    "AlteredReferences",
    "CalibratedScores",
    "Calibration",
    "CombinedDetector",
    "CopyEffects",
    "Detector",
    "Deviations",
    "Discriminant",
    "FeatureSources",
    "Features",
    "FittedDetector",
    "LinearHead",
    "ModelInfo",
    "NearestReference",
    "Need",
    "PerProbeDetector",
    "RobustStats",
    "RunningStatistics",
    "ScoreDistribution",
    "ShrunkGaussian",
    "Term",
    "TermValues",
    "activity_profile",
    "calibrate",
    "calibrating_references",
    "channel_peaks",
    "collection_distance",
    "combination",
    "detector_p_values",
    "deviation_score",
    "differing_terms",
    "discovery_threshold",
    "find_detector",
    "find_feature_sources",
    "fit_detector",
    "flag",
    "full_p_values",
    "held_out_scores",
    "list_detectors",
    "min_discoveries",
    "p_values",
    "plan_rounds",
    "published_score",
    "register_detector",
    "required",
    "robust_stats",
    "robust_z",
    "separation",
    "soft_maximum",
    "split_references",
    "two_sided_p_values",
    "why_not",
    "why_not_references",
    "z_scores",
]
