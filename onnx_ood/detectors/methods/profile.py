"""Mahalanobis distance of the sensitivity profile from reference inputs."""

from __future__ import annotations

from functools import partial

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.models.gaussian import ShrunkGaussian
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_layers

# A sensitivity profile has few numbers per probe: its covariance is known better than that of an activity profile.
_SHRINKAGE = 0.2
# Added to flip rates so that 0 is not infinitely far: about one unit of a probe of typical size.
_EPSILON = 1e-5


@register_detector
class SensitivityProfile(Detector):
    """Finds inputs that are more or less sensitive to nudges than references, at some probe."""

    name = "profile"
    formula = (
        "Mahalanobis distance of log mean cosine drop and log(flip share + 1e-5) at all probes, shrunk by 0.2"
    )
    source = "onnx_ood; the distance after K. Lee et al., NeurIPS 2018, without classes"
    needs = ("pairs",)
    order = 240
    uses_reference = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_layers(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        profiles = _profiles(required(reference, "references"))
        return partial(_score, ShrunkGaussian(profiles, _SHRINKAGE))


def _score(gaussian: ShrunkGaussian, features: Features) -> Float:
    return gaussian.distances(_profiles(features))


def _profiles(features: Features) -> Float:
    """Return logs of drops and flip rates, [N, 2·P]."""
    drops = np.log(required(features.drops, "cosine drops"))
    flips = np.log(required(features.flips, "flip rates") + _EPSILON)
    return np.concatenate([drops, flips], axis=1)
