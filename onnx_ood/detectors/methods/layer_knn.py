"""Distance of the peaks of channels from the nearest reference, at the last layers."""

from __future__ import annotations

from functools import partial

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.models.layer_neighbours import LAYERS, LayerNeighbours
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_layers


@register_detector
class NearestNeighbourOfLayers(Detector):
    """Nearest reference by the direction of peaks of channels; needs no linear head."""

    name = "layer_knn"
    formula = "mean over the last 3 layers of log distance of a/‖a‖ from the nearest reference, a = peaks of channels"
    source = "after Y. Sun et al., ICML 2022, at several layers"
    needs = ("peaks",)
    order = 265
    uses_reference = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_layers(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        return partial(_score, LayerNeighbours(last_peaks(required(reference, "references"))))


def _score(neighbours: LayerNeighbours, features: Features) -> Float:
    return neighbours.score(last_peaks(features))


def last_peaks(features: Features) -> list[Float]:
    """Return the peaks of the channels of the last layers, float64 [N, C] each; `Features.peaks` holds logarithms."""
    layers = required(features.peaks, "peaks of channels")[-LAYERS:]
    return [np.exp(layer.astype(np.float64)) for layer in layers]
