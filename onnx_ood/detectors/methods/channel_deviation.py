"""Deviation of the peaks of channels of all layers from reference inputs."""

from __future__ import annotations

from functools import partial

from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.models.channel_deviation import ChannelDeviation as ChannelModel
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_layers


@register_detector
class ChannelDeviation(Detector):
    """Finds inputs for which the peaks of single channels are higher or lower than for references."""

    name = "channel_deviation"
    formula = "mean over layers of log rms z, z = log peak of each of 64 channels, standardised by references"
    source = "onnx_ood"
    needs = ("peaks",)
    order = 235
    uses_reference = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_layers(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        known = required(reference, "references")
        return partial(_score, ChannelModel(required(known.peaks, "peaks")))


def _score(model: ChannelModel, features: Features) -> Float:
    return model.score(required(features.peaks, "peaks"))
