"""Mahalanobis distance of the activity profile from reference inputs."""

from __future__ import annotations

from functools import partial

from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.models.gaussian import ShrunkGaussian
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_layers


@register_detector
class Activity(Detector):
    """Finds inputs for which some layer is more, less or otherwise active than for references."""

    name = "activity"
    formula = "Mahalanobis distance of nine numbers on the activity of each layer, covariance shrunk by ½"
    source = "onnx_ood; the distance after K. Lee et al., NeurIPS 2018, without classes"
    needs = ("activity",)
    order = 230
    uses_reference = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_layers(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        return partial(_distances, ShrunkGaussian(_profiles(required(reference, "references"))))


def _distances(gaussian: ShrunkGaussian, features: Features) -> Float:
    return gaussian.distances(_profiles(features))


def _profiles(features: Features) -> Float:
    return required(features.activity, "activity profiles")
