"""Distance of the sensitivity profile from that of reference inputs."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.models.gaussian import ShrunkGaussian
from onnx_ood.detectors.requirements import reference_of, why_no_layers

# There are few numbers a probe, so that a covariance is known better than that of an activity profile.
_SHRINKAGE = 0.2
# What no unit does must not be infinitely far: about one unit of a probe of usual size.
_LEAST_SHARE = 1e-5


class SensitivityProfile(Detector):
    """Strange inputs are more or less sensitive to nudges than known-good ones, at some probe."""

    name = "profile"
    formula = (
        "Mahalanobis distance of log mean cosine drop and log(flip share + 1e-5) at all probes, shrunk by 0.2"
    )
    source = "onnx_ood; the distance after K. Lee et al., NeurIPS 2018, without classes"
    needs = ("pairs",)
    uses_reference = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_layers(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        usual = ShrunkGaussian(_profile(reference_of(reference)), _SHRINKAGE)
        return lambda evidence: usual.distances(_profile(evidence))


def _profile(evidence: Features) -> Float:
    """Logs of drops and flip shares, [N, 2·P]."""
    assert evidence.drops is not None
    assert evidence.flips is not None
    return np.concatenate([np.log(evidence.drops), np.log(evidence.flips + _LEAST_SHARE)], axis=1)
