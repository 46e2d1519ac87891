"""Distance of the activity profile from that of reference inputs."""

from __future__ import annotations

from typing_extensions import override

from onnx_ood.detectors.activity_profile import activity_profile
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.models.gaussian import ShrunkGaussian
from onnx_ood.detectors.requirements import reference_of, why_no_layers


class Activity(Detector):
    """Strange inputs make some layer more, less or otherwise active than known-good ones do."""

    name = "activity"
    formula = "Mahalanobis distance of nine numbers on the activity of each layer, covariance shrunk by ½"
    source = "onnx_ood; the distance after K. Lee et al., NeurIPS 2018, without classes"
    needs = ("layers",)
    uses_reference = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_layers(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        usual = ShrunkGaussian(activity_profile(reference_of(reference).layers))
        return lambda evidence: usual.distances(activity_profile(evidence.layers))
