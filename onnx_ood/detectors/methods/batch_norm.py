"""Distance to the statistics that BatchNormalization nodes carry."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.runtime import ChannelStatistics

_LEAST_RATIO = 1e-6
_SMALLEST = 1e-12


class BatchNorm(Detector):
    """Running statistics tell what channels held in training; what makes them hold something else is strange."""

    name = "batch_norm"
    formula = "mean over layers of log mean over channels of KL(N(μ_x, σ_x²) ‖ N(μ, σ²))"
    source = "onnx_ood; the divergence is the one of data-free distillation (H. Yin et al., CVPR 2020)"
    needs = ("norms",)

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        if not info.norms:
            return "it has no BatchNormalization nodes; exporters fold them into convolutions"
        return None

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        known = [(one.mean, one.variance + one.epsilon) for one in info.norms]

        def score(evidence: Features) -> Float:
            layers = [
                _divergence(found.mean, found.variance, mean, variance)
                for found, (mean, variance) in zip(evidence.norms, known, strict=True)
            ]
            total: Float = np.mean(layers, axis=0)
            return total

        return score


def collection_distance(norms: Sequence[ChannelStatistics], info: ModelInfo, weights: Float) -> Float:
    """The score's formula for a whole collection, whose channels should hold what they held in training.

    Args:
        norms: What each BatchNormalization node reads, of N inputs of the same number of places.
        info: The model; it has such nodes.
        weights: Of inputs, [B, N], each row with the sum 1: resamples.

    Returns:
        [B]: mean over layers of log mean over channels of KL(N(μ, σ²) of the collection ‖ N(μ, σ²) of training).
    """
    layers = []
    for found, known in zip(norms, info.norms, strict=True):
        mean = weights @ found.mean
        variance = weights @ (found.variance + found.mean**2) - mean**2
        layers.append(_divergence(mean, variance, known.mean, known.variance + known.epsilon))
    total: Float = np.mean(layers, axis=0)
    return total


def _divergence(mean: Float, variance: Float, usual_mean: Float, usual_variance: Float) -> Float:
    """Log of the mean divergence of channels, [N, C], from what they held in training, [C]; [N]."""
    # A channel that is constant in an input would be infinitely far; a millionth of the usual variance stands for it.
    ratio = np.maximum(variance / usual_variance, _LEAST_RATIO)
    each = 0.5 * (ratio + (mean - usual_mean) ** 2 / usual_variance - 1 - np.log(ratio))
    logs: Float = np.log(np.maximum(each.mean(axis=1), _SMALLEST))
    return logs
