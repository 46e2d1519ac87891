"""Distance of the activity of channels from the nearest reference, at the last layers."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.models.layer_neighbours import LAYERS, LayerNeighbours
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_layers


@register_detector
class NearestNeighbourOfLayers(Detector):
    """Nearest reference by the direction of channel activities; needs no linear head."""

    name = "layer_knn"
    formula = (
        "mean over the last 3 layers of log distance of a/‖a‖ from the nearest reference, a = rms of channels"
    )
    source = "after Y. Sun et al., ICML 2022, at several layers"
    needs = ("channels",)
    order = 265
    uses_reference = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_layers(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        return partial(_score, LayerNeighbours(_activity(required(reference, "references"))))


def _score(neighbours: LayerNeighbours, features: Features) -> Float:
    return neighbours.score(_activity(features))


def _activity(features: Features) -> list[NDArray[np.floating]]:
    """Return the activity of the channels of the last layers; `channels` holds logarithms."""
    return [np.exp(layer.astype(np.float64)) for layer in features.channels[-LAYERS:]]
