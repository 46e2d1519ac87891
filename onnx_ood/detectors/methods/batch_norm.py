"""Divergence of channel statistics from the running statistics of BatchNormalization nodes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo, RunningStatistics
from onnx_ood.detectors.registry import register_detector
from onnx_ood.runtime import ChannelStatistics

# A channel that is constant in an input would be infinitely far: its variance counts as this share of the running one.
_MIN_RATIO = 1e-6
_EPSILON = 1e-12


@register_detector
class BatchNorm(Detector):
    """Finds inputs whose channel statistics differ from those of the training data."""

    name = "batch_norm"
    formula = "mean over layers of log mean over channels of KL(N(μ_x, σ_x²) ‖ N(μ, σ²))"
    source = "onnx_ood; the divergence is the one of data-free distillation (H. Yin et al., CVPR 2020)"
    needs = ("norms",)
    order = 160

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        if not info.norms:
            return "the model has no BatchNormalization nodes; exporters fold them into convolutions"
        return None

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        return partial(_score, info.norms)


def _score(norms: Sequence[RunningStatistics], features: Features) -> Float:
    layers = [
        _divergence(found.mean, found.variance, running)
        for found, running in zip(features.norms, norms, strict=True)
    ]
    total: Float = np.mean(layers, axis=0)
    return total


def collection_distance(norms: Sequence[ChannelStatistics], info: ModelInfo, weights: Float) -> Float:
    """Return the score of whole collections of inputs, such as resamples of one.

    Args:
        norms: Channel statistics at each BatchNormalization node, of N inputs with equally many positions.
        info: A model with such nodes.
        weights: Weights of the inputs in each of B collections, float64 [B, N]; each row sums to 1.

    Returns:
        Mean over layers of log mean over channels of KL(N(μ, σ²) of the collection ‖ N(μ, σ²) of training),
        float64 [B].
    """
    layers = []
    for found, running in zip(norms, info.norms, strict=True):
        mean = weights @ found.mean
        variance = weights @ (found.variance + found.mean**2) - mean**2
        layers.append(_divergence(mean, variance, running))
    total: Float = np.mean(layers, axis=0)
    return total


def _divergence(mean: Float, variance: Float, running: RunningStatistics) -> Float:
    """Return the log of the mean divergence over channels, [N], from moments [N, C]."""
    running_variance = running.variance + running.epsilon
    ratio = np.maximum(variance / running_variance, _MIN_RATIO)
    each = 0.5 * (ratio + (mean - running.mean) ** 2 / running_variance - 1 - np.log(ratio))
    logs: Float = np.log(np.maximum(each.mean(axis=1), _EPSILON))
    return logs
