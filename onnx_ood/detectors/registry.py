"""The registry: all detectors by name."""

from __future__ import annotations

from onnx_ood.detectors.base import Detector
from onnx_ood.detectors.methods.activation_prior import ActivationPrior
from onnx_ood.detectors.methods.activity import Activity
from onnx_ood.detectors.methods.ash import ActivationShaping
from onnx_ood.detectors.methods.auto import Auto
from onnx_ood.detectors.methods.batch_norm import BatchNorm
from onnx_ood.detectors.methods.class_cosine import ClassCosine
from onnx_ood.detectors.methods.cosine_drop import CosineDrop
from onnx_ood.detectors.methods.distortion import Distortion
from onnx_ood.detectors.methods.energy import Energy
from onnx_ood.detectors.methods.entropy import Entropy
from onnx_ood.detectors.methods.fdbd import FastBoundaryDistance
from onnx_ood.detectors.methods.feature_norm import FeatureNorm
from onnx_ood.detectors.methods.flip_rate import FlipRate
from onnx_ood.detectors.methods.gen import GeneralizedEntropy
from onnx_ood.detectors.methods.grad_norm import GradNorm
from onnx_ood.detectors.methods.jacobian_norm import JacobianNorm
from onnx_ood.detectors.methods.knn import NearestNeighbour
from onnx_ood.detectors.methods.mahalanobis import Mahalanobis
from onnx_ood.detectors.methods.max_logit import MaxLogit
from onnx_ood.detectors.methods.msp import MaximumProbability
from onnx_ood.detectors.methods.profile import SensitivityProfile
from onnx_ood.detectors.methods.rank_feat import RankFeat
from onnx_ood.detectors.methods.scale import Scale
from onnx_ood.detectors.methods.spectral_ratio import SpectralRatio
from onnx_ood.detectors.methods.transition_density import TransitionDensity
from onnx_ood.detectors.methods.uncertainty import Uncertainty
from onnx_ood.detectors.methods.vim import VirtualLogit
from onnx_ood.detectors.per_probe import PerProbeDetector
from onnx_ood.exceptions import UsageError

_registry: dict[str, Detector] = {}


def register(detector: Detector) -> None:
    """Makes a detector known by its name.

    Raises:
        ValueError: If the name is taken: results that are called alike must be alike.
    """
    if detector.name in _registry:
        raise ValueError(f"there is a detector called {detector.name!r} already")
    _registry[detector.name] = detector


def registered() -> dict[str, Detector]:
    """All detectors by name, in the order in which they were registered."""
    return dict(_registry)


def find_detector(name: str) -> Detector:
    """The detector of a name.

    Args:
        name: That of a registered one, or `NAME@PROBE` for one that is made of one number a probe: the same at that
            tensor alone. Whether a model has it is for `why_not` to say.

    Raises:
        UsageError: If there is none, or it isn't made for each probe.
    """
    known, at, probe = name.partition("@")
    if known not in _registry:
        raise UsageError(f"there is no detector {known!r}; there are {', '.join(_registry)}")
    detector = _registry[known]
    if not at:
        return detector
    if not isinstance(detector, PerProbeDetector):
        able = ", ".join(other for other, one in _registry.items() if isinstance(one, PerProbeDetector))
        raise UsageError(f"{known} is not made for each probe, so that {name!r} means nothing; {able} are")
    return detector.at(probe)


for _detector in (
    Auto(),
    Uncertainty(),
    MaximumProbability(),
    MaxLogit(),
    Energy(),
    Entropy(),
    GeneralizedEntropy(),
    ActivationShaping(),
    Scale(),
    GradNorm(),
    FastBoundaryDistance(),
    ClassCosine(),
    RankFeat(),
    FeatureNorm(),
    ActivationPrior(),
    BatchNorm(),
    CosineDrop(),
    Distortion(),
    FlipRate(),
    TransitionDensity(),
    JacobianNorm(),
    SpectralRatio(),
    Activity(),
    SensitivityProfile(),
    Mahalanobis(),
    NearestNeighbour(),
    VirtualLogit(),
):
    register(_detector)
